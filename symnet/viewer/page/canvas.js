"use strict";
// Draws a scene as SVG, and moves it about.

const canvas = byId("canvas");
const drawing = byId("drawing");
const READABLE = 0.35; // texts that are drawn smaller than this are left out

const viewport = { x: 0, y: 0, scale: 1 };
let shown = null; // the root frame
let boxes = new Map(); // operation -> its box

function drawScene(root) {
  shown = root;
  boxes = new Map();
  drawing.replaceChildren(...frameContents(root));
}

function frameContents(frame) {
  const edges = frame.edges.map(edgePath);
  const items = frame.items.map((item) => {
    if (item instanceof Frame) return frameBox(item);
    return item.kind === "port" ? portBox(item) : itemBox(item);
  });
  return [...edges, ...items];
}

function placed(item, className) {
  const x = item.x - item.width / 2, y = item.y - item.height / 2;
  const group = svgElement("g", { class: className, transform: `translate(${x} ${y})` });
  group.item = item;
  return group;
}

function itemBox(item) {
  const marks = ["fresh", "bad"].filter((mark) => item[mark]);
  const classes = ["box", item.kind, ...marks.map((m) => (m === "fresh" ? "new" : m))];
  const box = placed(item, classes.join(" "));
  const round = ["operation", "group"].includes(item.kind) ? 4 : 12;
  box.append(svgElement("rect", { width: item.width, height: item.height, rx: round }));
  box.append(...texts(item));
  if (item.key) box.dataset.key = item.key;
  if (item.operation !== undefined) {
    box.dataset.operation = item.operation;
    boxes.set(item.operation, box);
  }
  return box;
}

function texts(item) {
  return item.lines.map((line, k) =>
    svgElement("text", { x: item.width / 2, y: 16.5 + 13 * k, class: k ? "small" : "large" }, line));
}

function portBox(item) {
  if (item.lines.length) return itemBox(item);
  const box = placed(item, "box port-box");
  box.append(svgElement("circle", { class: "port", cx: 3, cy: 3, r: 3 }));
  return box;
}

function frameBox(frame) {
  const box = placed(frame, "frame");
  const height = frame.height - HEADING;
  box.append(svgElement("rect", { y: HEADING, width: frame.width, height, rx: 4 }));
  const closes = frame.kind === "frame" && frame.key && !["/before", "/after"].includes(frame.key);
  const title = shorten((closes ? "▾ " : "") + frame.title, Math.max(8, frame.width / 6));
  const handle = svgElement("g", { class: closes ? "handle" : "" });
  if (closes) handle.dataset.key = frame.key;
  handle.item = frame;
  const width = measure(title, TEXT.small) + 16;
  handle.append(svgElement("rect", { width, height: HEADING - 2, rx: 4, "fill-opacity": closes ? 1 : 0 }));
  handle.append(svgElement("text", { x: 7, y: 13, class: "heading" }, title));
  if (frame.operation !== undefined) boxes.set(frame.operation, box);
  box.append(handle, ...frameContents(frame));
  return box;
}

// A smooth way through the points.
function edgePath(edge) {
  const [first, ...rest] = edge.points;
  let path = `M${first.x} ${first.y}`;
  rest.slice(0, -1).forEach((point, k) => {
    const next = rest[k + 1];
    const last = k === rest.length - 2;
    const x = last ? next.x : (point.x + next.x) / 2;
    const y = last ? next.y : (point.y + next.y) / 2;
    path += `Q${point.x} ${point.y} ${x} ${y}`;
  });
  if (rest.length === 1) path += `L${rest[0].x} ${rest[0].y}`;
  const inner = edge.to.item.kind === "port" || edge.to.item instanceof Frame;
  const made = svgElement("path", { class: inner ? "edge inner" : "edge", d: path });
  if (edge.variables.length > 1) made.classList.add("many");
  made.item = { kind: "edge", variables: edge.variables };
  return made;
}

// ---- moving about

function moveTo(x, y, scale) {
  Object.assign(viewport, { x, y, scale: Math.min(Math.max(scale, 0.02), 4) });
  drawing.setAttribute("transform", `translate(${viewport.x} ${viewport.y}) scale(${viewport.scale})`);
  drawing.classList.toggle("far", viewport.scale < READABLE);
}

function zoom(factor, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) {
  const before = viewport.scale;
  const after = Math.min(Math.max(before * factor, 0.02), 4);
  const ratio = after / before;
  moveTo(x - (x - viewport.x) * ratio, y - (y - viewport.y) * ratio, after);
}

// The whole graph; with `least`, from its top on where it would be smaller than that.
function fit(least = 0) {
  const width = canvas.clientWidth, height = canvas.clientHeight;
  const scale = Math.max(Math.min(width / shown.width, height / shown.height, 1.2), least);
  moveTo((width - shown.width * scale) / 2, Math.max((height - shown.height * scale) / 2, 0), scale);
}

// Keep the box of a key where it was on the screen, though the layout has changed.
function keepInPlace(key, before) {
  const box = keyed(key);
  if (!box || !before) return fit();
  const after = box.getBoundingClientRect();
  moveTo(viewport.x + before.left - after.left, viewport.y + before.top - after.top, viewport.scale);
}

function keyed(key) {
  return [...drawing.querySelectorAll("[data-key]")].find((box) => box.dataset.key === key);
}

function centre(operation) {
  const box = boxes.get(operation);
  if (!box) return;
  if (viewport.scale < 0.7) zoom(0.9 / viewport.scale);
  const found = box.getBoundingClientRect(), around = canvas.getBoundingClientRect();
  const x = around.left + around.width / 2 - (found.left + found.width / 2);
  const y = around.top + around.height / 2 - (found.top + found.height / 2);
  moveTo(viewport.x + x, viewport.y + y, viewport.scale);
}

canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  const around = canvas.getBoundingClientRect();
  zoom(Math.exp(-event.deltaY * 0.0015), event.clientX - around.left, event.clientY - around.top);
}, { passive: false });

let held = null;
canvas.addEventListener("pointerdown", (event) => {
  held = { x: event.clientX - viewport.x, y: event.clientY - viewport.y, moved: false, start: event };
});
window.addEventListener("pointermove", (event) => {
  if (!held) return;
  const far = Math.hypot(event.clientX - held.start.clientX, event.clientY - held.start.clientY);
  if (far > 4) held.moved = true;
  if (!held.moved) return;
  canvas.classList.add("held");
  moveTo(event.clientX - held.x, event.clientY - held.y, viewport.scale);
});
window.addEventListener("pointerup", () => {
  canvas.classList.remove("held");
  // A click that ends a drag chooses nothing.
  if (held?.moved) canvas.addEventListener("click", (e) => e.stopPropagation(), { capture: true, once: true });
  held = null;
});
canvas.addEventListener("keydown", (event) => {
  const steps = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
  if (event.key in steps) moveTo(viewport.x + steps[event.key][0], viewport.y + steps[event.key][1], viewport.scale);
  else if (event.key === "+") zoom(1.25);
  else if (event.key === "-") zoom(0.8);
  else if (event.key === "0") fit();
  else return;
  event.preventDefault();
});
