"use strict";
// Places for the items of a frame, by dagre; frames inside frames first.

const HEADING = 20;
const MARGIN = 10;
const TEXT = { large: "13px system-ui, sans-serif", small: "10.5px system-ui, sans-serif" };

const measure = (() => {
  const context = document.createElement("canvas").getContext("2d");
  const known = new Map();
  return (text, font) => {
    const name = `${font} ${text}`;
    if (!known.has(name)) {
      context.font = font;
      known.set(name, context.measureText(text).width);
    }
    return known.get(name);
  };
})();

// The lines of text in an item, the first large.
function linesOf(item) {
  if (item.kind === "operation") return operationLines(item.operation);
  if (item.kind === "group") {
    const count = `${item.operations.length} operations`;
    const code = item.line === null ? "" : data.lines[item.line].text;
    if (code) return [`▸ ${shorten(code, 44)}`, `${item.label}, ${count}`];
    return [`▸ ${shorten(item.label)}`, count];
  }
  if (item.kind === "port") return item.label ? [shorten(item.label, 24)] : [];
  const count = item.variables.length;
  return [shorten(item.label), count > 1 ? `${count} together` : data.variables[item.variables[0]].type];
}

function operationLines(number) {
  const operation = data.operations[number];
  const mark = operation.inside.length ? "▸ " : "";
  const lines = [mark + shorten(operation.op)];
  const given = operation.inputs.map((v) => data.variables[v]);
  if (given.some((v) => v.number)) {
    lines.push(shorten(`(${given.map((v) => (v.number ? v.label : "·")).join(", ")})`));
  }
  const names = operation.outputs.map((v) => data.variables[v].name).filter(Boolean);
  if (names.length) lines.push(shorten(names.join(", ")));
  return lines;
}

function measureItem(item) {
  item.lines = linesOf(item);
  if (item.kind === "port" && !item.lines.length) {
    item.width = item.height = 6;
    return;
  }
  const widths = item.lines.map((line, k) => measure(line, k ? TEXT.small : TEXT.large));
  item.width = Math.max(34, ...widths) + 18;
  item.height = 24 + 13 * (item.lines.length - 1);
}

// Sets x, y (the middle of each item), and the points of each edge, from the frame's top
// left corner; and the frame's own size.
function layoutFrame(frame) {
  frame.items.forEach((item, k) => {
    item.id = String(k);
    if (item instanceof Frame) layoutFrame(item);
    else measureItem(item);
  });
  const { middles, bends } = placesIn(frame);
  const heading = frame.kind === "root" ? 0 : HEADING;
  const { top, bottom, leftmost, rightmost } = innerExtent(frame, middles, bends);
  const left = MARGIN - leftmost, down = heading + roomFor(frame.inPorts) - top;
  const title = frame.title ? measure(frame.title, TEXT.small) + 40 : 0;
  frame.width = Math.max(rightmost - leftmost + 2 * MARGIN, title);
  frame.height = down + bottom + roomFor(frame.outPorts);
  frame.items.forEach((item, k) => {
    item.x = middles[k].x + left;
    item.y = middles[k].y + down;
  });
  putPortsOnBorders(frame);
  const inside = (y) => Math.min(Math.max(y, heading), frame.height);
  frame.edges.forEach((edge, k) => {
    const points = bends[k].map((p) => ({ x: p.x + left, y: inside(p.y + down) }));
    edge.points = joined(edge, points);
  });
}

// What dagre finds, the same for the same boxes and edges: the middles of items, the points
// of edges.
const placesFound = new Map();

function placesIn(frame) {
  const name = JSON.stringify([
    frame.items.map(({ width, height, side }) => [width, height, side]),
    frame.edges.map((edge) => [edge.from.item.id, edge.to.item.id]),
  ]);
  if (!placesFound.has(name)) {
    const graph = dagreGraph(frame);
    dagre.layout(graph);
    const points = (edge, k) => graph.edge(edge.from.item.id, edge.to.item.id, String(k))?.points;
    placesFound.set(name, {
      middles: frame.items.map(({ id }) => graph.node(id)),
      bends: frame.edges.map((edge, k) => points(edge, k) ?? []),
    });
  }
  return placesFound.get(name);
}

// From where to where things stand; ports do not count for top and bottom.
function innerExtent(frame, middles, bends) {
  const all = frame.items.map((item, k) => ({ item, x: middles[k].x, y: middles[k].y }));
  const columns = bends.flat().map(({ x }) => x);
  const items = all.filter(({ item }) => item.kind !== "port");
  return {
    top: items.length ? least(items.map(({ y, item }) => y - item.height / 2)) : 0,
    bottom: items.length ? most(items.map(({ y, item }) => y + item.height / 2)) : 40,
    leftmost: least([...columns, ...all.map(({ x, item }) => x - item.width / 2)]),
    rightmost: most([...columns, ...all.map(({ x, item }) => x + item.width / 2)]),
  };
}

const least = (numbers) => numbers.reduce((a, b) => Math.min(a, b), Infinity);
const most = (numbers) => numbers.reduce((a, b) => Math.max(a, b), -Infinity);

// The distance from the border to what stands inside.
function roomFor(ports) {
  const labelled = [...ports.values()].some((port) => port.lines.length);
  return MARGIN + (labelled ? 42 : ports.size ? 16 : 0);
}

function dagreGraph(frame) {
  const graph = new dagre.graphlib.Graph({ multigraph: true });
  graph.setGraph({ rankdir: "TB", nodesep: 16, edgesep: 8, ranksep: 26 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const { id, width, height } of frame.items) graph.setNode(id, { width, height });
  frame.edges.forEach((edge, k) => {
    graph.setEdge(edge.from.item.id, edge.to.item.id, {}, String(k));
  });
  holdPorts(graph, frame.inPorts, "top", (port) => ["top", port.id]);
  holdPorts(graph, frame.outPorts, "bottom", (port) => [port.id, "bottom"]);
  return graph;
}

// Ports stand in the first and last layer: short edges to one invisible place pull them.
function holdPorts(graph, ports, place, ends) {
  if (!ports.size) return;
  graph.setNode(place, { width: 0, height: 0 });
  for (const port of new Set(ports.values())) graph.setEdge(...ends(port), { weight: 50 }, "hold");
}

function putPortsOnBorders(frame) {
  for (const port of frame.inPorts.values()) port.y = HEADING + port.height / 2;
  for (const port of frame.outPorts.values()) port.y = frame.height - port.height / 2;
}

// The points of an edge from the border of one item, or its port, to that of the other.
function joined(edge, points) {
  const way = points.slice(1, -1);
  return [endOf(edge.from, "outPorts", 1, points[0]), ...way,
    endOf(edge.to, "inPorts", -1, points[points.length - 1])];
}

function endOf({ item, port }, ports, side, point) {
  const border = item.y + (side * item.height) / 2;
  const inner = item instanceof Frame && item[ports].get(port);
  const down = side < 0 && item instanceof Frame ? HEADING : 0;
  if (!inner) return { x: point ? point.x : item.x, y: border + down };
  return { x: item.x - item.width / 2 + inner.x, y: border + down };
}
