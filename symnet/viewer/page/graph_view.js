"use strict";
// The graph: the slider through passes and rewrites, opening, choosing, searching.

const MOST_RESULTS = 40;
const MOST_HOVERED = 20; // variables of a bundle
const MOST_OPENED = 300; // boxes that one click brings: more take the browser seconds

const open = new Map(); // stage -> keys of what is open there
let position = 0; // of the slider
let chosen = null; // an operation

// What the slider passes: the rewrites of a pass, then the graph after it.
const positions = data.stages.flatMap((stage, k) => [
  ...data.rewrites.filter((one) => one.stage === k).map((rewrite) => ({ stage: k, rewrite })),
  { stage: k },
]);

function openIn(stage) {
  if (!open.has(stage)) open.set(stage, openAtFirst(data.stages[stage].members));
  return open.get(stage);
}

// What a pass brought and took.  An operation that only stands on other inputs now is
// another one, but not new: one with its name and line is gone for it.
function freshIn(stage) {
  if (!stage) return { fresh: new Set(), gone: 0 };
  const now = data.stages[stage].operations, before = data.stages[stage - 1].operations;
  const old = new Set(before), current = new Set(now);
  const name = (o) => `${data.operations[o].op} ${data.operations[o].line}`;
  const replaced = new Map();
  for (const o of before) {
    if (!current.has(o)) replaced.set(name(o), (replaced.get(name(o)) ?? 0) + 1);
  }
  const fresh = new Set();
  for (const o of now) {
    const left = replaced.get(name(o)) ?? 0;
    if (old.has(o)) continue;
    if (left) replaced.set(name(o), left - 1);
    else fresh.add(o);
  }
  const gone = [...replaced.values()].reduce((a, b) => a + b, 0);
  return { fresh, gone };
}

function drawGraph() {
  const { stage, rewrite } = positions[position];
  const scene = new Scene(openIn(stage), freshIn(stage).fresh);
  const root = rewrite ? scene.rewriteScene(rewrite) : scene.graphScene(data.stages[stage]);
  layoutFrame(root);
  drawScene(root);
  markChosen();
  tellWhatIsClosed(data.stages[stage].members, openIn(stage));
}

function tellWhatIsClosed(members, keys) {
  const closed = closedIn(members, keys);
  const inOneClick = !closedIn(members, openMore(members, keys, MOST_OPENED));
  byId("unfold").textContent = inOneClick ? "open all" : "open more";
  byId("unfold").title = closed ? `${closed} groups are closed` : "every group is open";
}

function show(place) {
  position = Math.min(Math.max(place, 0), positions.length - 1);
  const { stage } = positions[position];
  byId("slider").value = position;
  byId("stage").value = stage;
  byId("where").textContent = positionText();
  drawGraph();
  fit(READABLE * 1.5);
}

function positionText() {
  const { stage, rewrite } = positions[position];
  const name = data.stages[stage].name;
  if (rewrite) {
    const whose = rewrite.users ? "your rule" : "rule";
    return `pass ${name}, ${whose} ${rewrite.rule}: ${rewrite.before.text}  →  ${rewrite.after.text}`;
  }
  const count = `${data.stages[stage].operations.length} operations`;
  const { fresh, gone } = freshIn(stage);
  if (!stage) return `as written: ${count}`;
  return `after ${name}: ${count}, ${fresh.size} new, ${gone} gone`;
}

// ---- opening and choosing

function toggle(key) {
  const keys = openIn(positions[position].stage);
  const before = keyed(key)?.getBoundingClientRect();
  if (keys.has(key)) keys.delete(key);
  else keys.add(key);
  drawGraph();
  keepInPlace(key, before);
}

function choose(operation) {
  chosen = operation;
  markChosen();
  facts(operationFacts(operation));
}

function markChosen() {
  for (const [operation, box] of boxes) box.classList.toggle("chosen", operation === chosen);
}

function facts(pairs) {
  const list = document.createElement("dl");
  for (const [what, text] of pairs) list.append(element("dt", what), element("dd", text));
  byId("details").replaceChildren(list);
}

canvas.addEventListener("click", (event) => {
  const box = event.target.closest("[data-key], [data-operation]");
  if (!box) return;
  const item = box.item;
  const closed = item.kind === "group" || (item.kind === "operation" && data.operations[item.operation].inside.length);
  if (item.operation !== undefined) choose(item.operation);
  if (item instanceof Frame || closed) toggle(box.dataset.key);
});

// ---- hovering

function hoverFacts(item) {
  if (item.variables?.length === 1) {
    const [variable] = item.variables;
    return [["", variableName(variable)], ...variableFacts(variable)];
  }
  if (item.variables) return bundleFacts(item.variables);
  if (item.operation !== undefined) return operationFacts(item.operation);
  if (item.kind === "group" || item instanceof Frame) {
    const line = item.line === null || item.line === undefined ? [] : [["your line", lineText(item.line)]];
    const count = item.operations ? [["operations", String(item.operations.length)]] : [];
    return [["", item.label ?? item.title], ...line, ...count];
  }
  return [];
}

function bundleFacts(variables) {
  const rows = variables.slice(0, MOST_HOVERED).map((v) => [variableName(v), data.variables[v].type]);
  const more = variables.length - MOST_HOVERED;
  return more > 0 ? [...rows, ["", `and ${more} more`]] : rows;
}

canvas.addEventListener("pointermove", (event) => {
  let target = event.target;
  while (target && target !== canvas && !target.item) target = target.parentNode;
  const lines = held?.moved || !target?.item || target.classList.contains("frame") ? [] : hoverFacts(target.item);
  const hover = byId("hover");
  hover.hidden = !lines.length;
  hover.textContent = lines.map(([what, text]) => (what ? `${what}: ${text}` : text)).join("\n");
  hover.style.left = `${Math.min(event.clientX + 14, window.innerWidth - 300)}px`;
  hover.style.top = `${Math.max(Math.min(event.clientY + 16, window.innerHeight - hover.offsetHeight - 6), 0)}px`;
});
canvas.addEventListener("pointerleave", () => { byId("hover").hidden = true; });

// ---- searching

function found(text) {
  const wanted = text.toLowerCase();
  const matches = (operation) => {
    const { op, outputs, inputs, line } = data.operations[operation];
    const names = [...outputs, ...inputs].map((v) => data.variables[v].name);
    return [op, ...names, lineText(line)].some((one) => one.toLowerCase().includes(wanted));
  };
  const { stage } = positions[position];
  return [...placesOf(data.stages[stage].members)].filter((place) => matches(place.operation));
}

function search() {
  const text = byId("search").value.trim();
  const places = text ? found(text) : [];
  const list = byId("results");
  list.replaceChildren(...places.slice(0, MOST_RESULTS).map((place) => {
    const { op, outputs, line } = data.operations[place.operation];
    const name = outputs.map((v) => data.variables[v].name).filter(Boolean).join(", ");
    const where = line === null ? "" : ` — ${data.lines[line].short}`;
    const entry = element("li", `${op}${name ? ` ${name}` : ""}${where}`);
    entry.addEventListener("click", () => reveal(place));
    return entry;
  }));
  const more = places.length - MOST_RESULTS;
  if (text && !places.length) list.append(element("li", "nothing found", "more"));
  if (more > 0) list.append(element("li", `and ${more} more`, "more"));
  return places;
}

function reveal({ operation, around }) {
  const { stage, rewrite } = positions[position];
  if (rewrite) show(positions.findIndex((one) => one.stage === stage && !one.rewrite));
  for (const key of around) openIn(stage).add(key);
  drawGraph();
  choose(operation);
  centre(operation);
}

// An operation in the last graph, which is the one that was compiled.
function revealCompiled(operation) {
  const last = data.stages.length - 1;
  show(positions.length - 1);
  for (const place of placesOf(data.stages[last].members)) {
    if (place.operation === operation) return reveal(place);
  }
}

byId("search").addEventListener("input", search);
byId("search").addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  const places = search();
  if (places.length) reveal(places[0]);
});

// ---- the bar

byId("slider").max = positions.length - 1;
byId("slider").addEventListener("input", (event) => show(Number(event.target.value)));
byId("earlier").addEventListener("click", () => show(position - 1));
byId("later").addEventListener("click", () => show(position + 1));
byId("stage").append(...data.stages.map((stage, k) => {
  const option = element("option", k ? `after ${stage.name}` : stage.name);
  option.value = k;
  return option;
}));
byId("stage").addEventListener("change", (event) => {
  const stage = Number(event.target.value);
  show(positions.findIndex((one) => one.stage === stage && !one.rewrite));
});
byId("passes").hidden = data.stages.length < 2;
byId("unfold").addEventListener("click", () => {
  const { stage } = positions[position];
  open.set(stage, openMore(data.stages[stage].members, openIn(stage), MOST_OPENED));
  drawGraph();
  fit();
});
byId("fold").addEventListener("click", () => {
  open.set(positions[position].stage, new Set());
  drawGraph();
  fit();
});
byId("nearer").addEventListener("click", () => zoom(1.25));
byId("farther").addEventListener("click", () => zoom(0.8));
byId("fit").addEventListener("click", () => fit());
