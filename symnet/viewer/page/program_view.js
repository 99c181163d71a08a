"use strict";
// The program: steps with their times, memory over time, each kernel's loop beside its code.

const NO_PLAN =
  "Memory and machine code are known after a call: call the function, or give view its arguments.";
const MEMORY_HEIGHT = 170;

function fillProgram(program) {
  const head = [`${program.mode}; ${program.device}`];
  if (program.profile) head.push(...program.profile.head);
  if (program.parts.some((part) => !part.planned)) head.push(NO_PLAN);
  if (!program.parts.length) head.push("Nothing is compiled in this mode: NumPy runs the graph.");
  byId("summary").textContent = head.join("\n");
  const timed = Boolean(program.profile);
  byId("steps").tHead.replaceChildren(row("th", ["step", "", ...(timed ? ["time"] : []), "kind", "your line"]));
  const body = byId("steps").tBodies[0];
  program.parts.forEach((part, k) => {
    if (program.parts.length > 1) body.append(row("td", [`part ${k}`]));
    for (const step of part.steps) body.append(stepRow(program, part, step));
    for (const step of part.reference) body.append(stepRow(program, part, { ...step, kind: "NumPy", number: "", depth: 0, text: [], codes: [], kernel: null, work: "" }));
  });
  if (timed) {
    const [what, seconds, text] = program.profile.rest;
    const last = row("td", ["", what, "", "overhead", ""]);
    last.cells[2].replaceWith(timeCell(program, seconds, text));
    body.append(last);
  }
  const part = program.parts.reduce((a, b) => ((b.arena?.bytes ?? 0) > (a?.arena?.bytes ?? -1) ? b : a), null);
  if (part?.arena) drawMemory(part);
  fillArrays(program.parts.flatMap((one) => one.arrays));
}

function row(cell, texts) {
  const made = document.createElement("tr");
  made.append(...texts.map((text) => element(cell, text)));
  return made;
}

function timeCell(program, seconds, text) {
  const cell = element("td", "", "time");
  const bar = element("span", "", "share");
  bar.style.width = `${Math.max(0, Math.round((80 * (seconds ?? 0)) / program.profile.seconds))}px`;
  cell.append(bar, element("span", text));
  return cell;
}

function stepRow(program, part, step) {
  const line = step.line === null ? "" : `${data.lines[step.line].short}: ${shorten(data.lines[step.line].text, 50)}`;
  const made = row("td", [step.number, step.what, ...(program.profile ? [""] : []), step.kind, line]);
  made.cells[1].style.paddingLeft = `${6 + 14 * step.depth}px`;
  made.cells[made.cells.length - 2].className = "kind";
  if (program.profile) made.cells[2].replaceWith(timeCell(program, step.seconds, step.time));
  made.dataset.step = step.number;
  made.addEventListener("click", () => showStep(program, part, step, made));
  return made;
}

function showStep(program, part, step, chosenRow) {
  for (const one of byId("steps").rows) one.classList.toggle("chosen", one === chosenRow);
  const lines = [`${step.number ? `step ${step.number}: ` : ""}${step.what} [${step.kind}]`, ...step.text];
  if (step.work) lines.push(`  ${step.work}`);
  if (step.line !== null) lines.push(`  your line: ${lineText(step.line)}`);
  byId("step").replaceChildren(element("span", lines.join("\n")), document.createElement("br"));
  for (const operation of step.operations.slice(0, 12)) {
    const button = element("button", data.operations[operation].op);
    button.title = "show it in the graph";
    button.addEventListener("click", () => {
      showTab("graph");
      revealCompiled(operation);
    });
    byId("step").append(button);
  }
  byId("loop").textContent = step.kernel === null ? "no loop of symnet's: see the kind of the step" : program.kernels[step.kernel];
  const codes = step.codes.map((k) => program.codes[k]);
  byId("code-title").textContent = codes.map((code) => code.title).join(", ") || "code";
  byId("machine").textContent = codes.map((code) => code.text).join("\n\n") || (part.planned ? "none" : NO_PLAN);
  markMoments(step);
}

// ---- memory

function drawMemory(part) {
  const { arena, moments } = part;
  const svg = byId("memory");
  const width = 1000, left = 4;
  const column = (width - 2 * left) / Math.max(moments, 1);
  const high = MEMORY_HEIGHT - 4;
  const scale = high / Math.max(arena.bytes, 1);
  svg.setAttribute("viewBox", `0 0 ${width} ${MEMORY_HEIGHT}`);
  svg.setAttribute("height", MEMORY_HEIGHT);
  svg.setAttribute("preserveAspectRatio", "none");
  const atPeak = new Set(arena.at_peak);
  arena.buffers.forEach((buffer, k) => {
    const rect = svgElement("rect", {
      x: left + buffer.first * column, width: (buffer.last - buffer.first + 1) * column,
      y: high - (buffer.offset + buffer.bytes) * scale, height: Math.max(buffer.bytes * scale, 1),
      class: atPeak.has(k) ? "peak" : "",
    });
    rect.append(svgElement("title", {}, bufferText(buffer)));
    rect.dataset.step = buffer.step;
    rect.addEventListener("click", () => chooseStep(buffer.step));
    svg.append(rect);
  });
  svg.append(svgElement("rect", { id: "moment", class: "now", y: 0, height: high, width: 0, x: 0 }));
  svg.geometry = { left, column };
  byId("peak").textContent = peakText(part);
}

function bufferText(buffer) {
  const until = buffer.first === buffer.last ? `moment ${buffer.first}` : `moments ${buffer.first} to ${buffer.last}`;
  return `${buffer.name} (${buffer.dtype}), ${bytesText(buffer.bytes)}, ${until}, first written by step ${buffer.step}`;
}

function peakText({ arena, steps }) {
  if (!arena.buffers.length) return "No temporaries: everything lies in arguments and results.";
  const at = steps.find((step) => step.moments[1] === arena.peak);
  const names = arena.at_peak.map((k) => arena.buffers[k]).sort((a, b) => b.bytes - a.bytes);
  const told = names.slice(0, 6).map((b) => `${b.name} ${bytesText(b.bytes)} (step ${b.step})`);
  if (names.length > 6) told.push(`${names.length - 6} more`);
  const line = at.line === null ? "" : `, ${data.lines[at.line].short}: ${data.lines[at.line].text}`;
  return `Arena of ${bytesText(arena.bytes)}, from the first step to the last. Peak: ${bytesText(arena.live[arena.peak])} at step ${at.number}, ${at.what}${line}\nheld by ${told.join(", ")}`;
}

function markMoments(step) {
  const moment = byId("moment");
  const { geometry } = byId("memory");
  if (!moment || !step.moments) return;
  const [first, last] = step.moments;
  moment.setAttribute("x", geometry.left + first * geometry.column);
  moment.setAttribute("width", (last - first + 1) * geometry.column);
}

function chooseStep(number) {
  const found = [...byId("steps").rows].find((one) => one.dataset.step === number);
  found?.click();
  found?.scrollIntoView({ block: "nearest" });
}

function fillArrays(arrays) {
  if (!arrays.length) return;
  byId("arrays").tHead.replaceChildren(row("th", ["besides the arena", "", "dtype", "shape", "size"]));
  byId("arrays").tBodies[0].append(...arrays.map(({ kind, name, dtype, shape, bytes }) =>
    row("td", [kind, name, dtype, `(${shape.join(", ")})`, bytesText(bytes)])));
}
