"use strict";
// From a graph to boxes inside frames, with the edges between them.
//
// A frame is an open group, or an open operation; what crosses its border goes through a
// port.  Edges therefore join only items of one frame, and each frame is laid out alone.

const MOST_FROM_ONE_LEAF = 4; // a leaf with more users in a frame is drawn beside each
const MOST_SINGLE = 8; // where there are more leaves, ports or results, they are bundled

class Frame {
  constructor(kind, title, key) {
    this.kind = kind;
    this.title = title;
    this.key = key;
    this.items = [];
    this.edges = [];
    this.inPorts = new Map();
    this.outPorts = new Map();
    this.joined = new Map();
  }

  add(item) {
    this.items.push(item);
    return item;
  }

  // The port of a variable; those of one bundle share it.
  port(ports, name, variables, label = "") {
    if (!ports.has(name)) {
      const side = ports === this.inPorts ? "in" : "out";
      const port = this.add({ kind: "port", side, variables, label });
      ports.set(name, port);
      if (!label) for (const v of variables) ports.set(v, port);
    }
    return ports.get(name);
  }

  // An end of an edge is an item and, if that is a frame, the name of a port there.
  connect(from, to, variable) {
    const ends = [from.item, from.item.outPorts?.get(from.port),
      to.item, to.item.inPorts?.get(to.port)];
    const name = ends.map((end) => (end ? numberOf(end) : "")).join(" ");
    if (!this.joined.has(name)) {
      this.joined.set(name, { from, to, variables: [] });
      this.edges.push(this.joined.get(name));
    }
    this.joined.get(name).variables.push(variable);
  }
}

const numberOf = (() => {
  const numbers = new WeakMap();
  let count = 0;
  return (thing) => {
    if (!numbers.has(thing)) numbers.set(thing, count++);
    return numbers.get(thing);
  };
})();

// Each variable -> those that are drawn as one with it: alone where there are few, else
// with all of the same signature.
function bundles(variables, signature) {
  const found = new Map();
  const alone = variables.length <= MOST_SINGLE;
  const together = new Map();
  for (const v of variables) {
    const name = alone ? v : signature(v);
    if (!together.has(name)) together.set(name, []);
    together.get(name).push(v);
    found.set(v, together.get(name));
  }
  return found;
}

// ---- what groups consist of

function operationsIn(member) {
  if (typeof member === "number") return [member];
  member.all ??= member.members.flatMap(operationsIn);
  return member.all;
}

function membersWithKeys(members, key) {
  const seen = new Map();
  return members.map((member) => {
    const label = typeof member === "number" ? `op ${member}` : member.label;
    const count = seen.get(label) ?? 0;
    seen.set(label, count + 1);
    return { member, key: `${key}/${label}${count ? ` ${count}` : ""}` };
  });
}

function madeBy(operations) {
  return new Set(operations.flatMap((o) => data.operations[o].outputs));
}

function usersIn(operations, roots) {
  const users = new Map();
  const note = (v, user) => users.has(v) ? users.get(v).push(user) : users.set(v, [user]);
  for (const o of operations) for (const v of data.operations[o].inputs) note(v, o);
  for (const root of roots) note(root.variable, "root");
  return users;
}

const bundleLabel = (labels) =>
  labels.length === 1 ? labels[0] : `${shorten(labels[0], 14)} … ${shorten(labels[labels.length - 1], 14)}`;

// ---- scenes

class Scene {
  // open: keys of what is open; fresh: the operations to mark as new.
  constructor(open, fresh = new Set()) {
    this.open = open;
    this.fresh = fresh;
  }

  graphScene(graph) {
    const frame = new Frame("root", "", "");
    this.fillGraph(frame, graph, graph.roots);
    return frame;
  }

  // The two sides of a rewrite, side by side.
  rewriteScene(rewrite) {
    const frame = new Frame("root", "", "");
    for (const side of ["before", "after"]) {
      const { variable, operations } = rewrite[side];
      const part = frame.add(new Frame("frame", side, `/${side}`));
      const graph = { operations, members: operations };
      this.fillGraph(part, graph, [{ variable, role: side }]);
    }
    return frame;
  }

  // Gives where the variables of the graph come from in the frame.
  fillGraph(frame, graph, roots, given = new Set()) {
    const made = madeBy(graph.operations);
    const users = usersIn(graph.operations, roots);
    const leaves = new Set([...users.keys()].filter((v) => !made.has(v) && !given.has(v)));
    const source = this.fill(frame, graph.members, leaves, users);
    if (frame.kind === "inside") {
      for (const { variable, role } of roots) {
        const item = frame.port(frame.outPorts, role, [variable], role);
        frame.connect(source(variable), { item }, variable);
      }
      return;
    }
    const kind = ({ role }) => (role.startsWith("update") ? "update" : "output");
    const signature = (root) => `${kind(root)} ${numberOf(source(root.variable).item)}`;
    for (const bundle of new Set(bundles(roots, signature).values())) {
      const variables = bundle.map((root) => root.variable);
      const labels = bundle.map((root) => root.role);
      const item = frame.add({ kind: kind(bundle[0]), variables, label: bundleLabel(labels) });
      for (const v of variables) frame.connect(source(v), { item }, v);
    }
  }

  // Members as items, and the edges between them.
  fill(frame, members, leaves, users) {
    const children = membersWithKeys(members, frame.key).map((one) => this.child(one, users));
    this.handDown(children, leaves, users);
    for (const child of children) child.item = frame.add(this.item(child, users));
    const source = this.sourceIn(frame, children, leaves);
    for (const child of children) {
      for (const v of child.needs) {
        if (child.leaves.has(v)) continue;
        frame.connect(source(v, child), { item: child.item, port: v }, v);
      }
    }
    return source;
  }

  child({ member, key }, users) {
    const operations = operationsIn(member);
    const own = new Set(operations);
    const made = madeBy(operations);
    const needs = new Set();
    for (const o of operations) {
      for (const v of data.operations[o].inputs) {
        if (!made.has(v) && !data.variables[v].number) needs.add(v);
      }
    }
    const outside = (v) => (users.get(v) ?? []).some((user) => !own.has(user));
    const gives = [...made].filter(outside);
    return { member, key, operations, made, needs, gives, leaves: new Set() };
  }

  // A leaf that only one group needs is drawn inside it.
  handDown(children, leaves, users) {
    for (const v of leaves) {
      const needing = children.filter((child) => child.needs.has(v));
      const [first] = needing;
      if (needing.length !== 1 || typeof first.member === "number") continue;
      if (!users.get(v).includes("root")) first.leaves.add(v);
    }
  }

  // Where a variable comes from in a frame: another child, a leaf, or a port.
  sourceIn(frame, children, leaves) {
    const makers = new Map();
    const users = new Map();
    for (const child of children) {
      for (const v of child.made) makers.set(v, child.item);
      for (const v of child.needs) {
        if (!child.leaves.has(v)) users.set(v, [...(users.get(v) ?? []), child.key]);
      }
    }
    const signature = (v) => `${data.variables[v].kind} ${(users.get(v) ?? []).join()}`;
    const inside = bundles([...leaves].filter((v) => !children.some((c) => c.leaves.has(v))), signature);
    const outside = [...users.keys()].filter((v) => !makers.has(v) && !leaves.has(v));
    const entering = bundles(outside, signature);
    const drawn = new Map();
    const leaf = (v, child) => {
      const variables = inside.get(v) ?? [v];
      const each = child && (users.get(v) ?? []).length > MOST_FROM_ONE_LEAF;
      const name = each ? `${variables[0]} ${child.key}` : `${variables[0]}`;
      if (!drawn.has(name)) {
        const label = bundleLabel(variables.map(variableName));
        drawn.set(name, frame.add({ kind: data.variables[v].kind, variables, label }));
      }
      return { item: drawn.get(name) };
    };
    return (v, child = null) => {
      if (makers.has(v)) return { item: makers.get(v), port: v };
      if (leaves.has(v) || data.variables[v].number) return leaf(v, child);
      return { item: frame.port(frame.inPorts, v, entering.get(v) ?? [v]) };
    };
  }

  item(child, users) {
    if (typeof child.member === "number") return this.operationItem(child);
    if (!this.open.has(child.key)) {
      const { label, kind, line } = child.member;
      const fresh = child.operations.some((o) => this.fresh.has(o));
      const bad = child.operations.some((o) => isBad(data.operations[o]));
      return { kind: "group", label, line, groupKind: kind, key: child.key, fresh, bad, operations: child.operations };
    }
    const frame = new Frame("frame", child.member.label, child.key);
    frame.line = child.member.line;
    const source = this.fill(frame, child.member.members, child.leaves, users);
    const leaving = bundles(child.gives, (v) => numberOf(source(v).item));
    for (const v of child.gives) {
      frame.connect(source(v), { item: frame.port(frame.outPorts, v, leaving.get(v)) }, v);
    }
    return frame;
  }

  operationItem({ member, key }) {
    const operation = data.operations[member];
    const made = { kind: "operation", operation: member, key, fresh: this.fresh.has(member), bad: isBad(operation) };
    if (!operation.inside.length || !this.open.has(key)) return made;
    const frame = new Frame("frame", operation.op, key);
    frame.operation = member;
    const parts = operation.inside.map((inside, k) => {
      const part = frame.add(new Frame("inside", inside.label, `${key}/${inside.label}`));
      this.fillInside(part, inside);
      return { part, inside, k };
    });
    for (const { part, inside } of parts) this.joinInside(frame, part, inside);
    return frame;
  }

  fillInside(part, { graph, inputs }) {
    const given = new Set(inputs.map(([inner]) => inner));
    for (const [inner] of inputs) part.port(part.inPorts, inner, [inner], variableName(inner));
    this.fillGraph(part, graph, graph.roots, given);
  }

  joinInside(frame, part, { graph, inputs, outputs }) {
    for (const [inner, outer] of inputs) {
      if (outer === null || data.variables[outer].number) continue;
      const port = frame.port(frame.inPorts, outer, [outer]);
      frame.connect({ item: port }, { item: part, port: inner }, outer);
    }
    graph.roots.forEach((root, k) => {
      const port = frame.port(frame.outPorts, outputs[k], [outputs[k]]);
      frame.connect({ item: part, port: root.role }, { item: port }, outputs[k]);
    });
  }
}

// ---- finding things

// Every operation that can be seen, with the keys of what must be open for it.
function* placesOf(members, key = "", around = []) {
  for (const { member, key: own } of membersWithKeys(members, key)) {
    if (typeof member !== "number") {
      yield* placesOf(member.members, own, [...around, own]);
      continue;
    }
    yield { operation: member, key: own, around };
    for (const inside of data.operations[member].inside) {
      const part = `${own}/${inside.label}`;
      yield* placesOf(inside.graph.members, part, [...around, own]);
    }
  }
}

// What is open at first: as many groups as there is room for, the outer ones first.
function openAtFirst(members, room = 16) {
  const open = new Set();
  const waiting = membersWithKeys(members, "");
  let shown = members.length;
  while (waiting.length) {
    const { member, key } = waiting.shift();
    if (typeof member === "number" || shown + member.members.length > room) continue;
    shown += member.members.length;
    open.add(key);
    waiting.push(...membersWithKeys(member.members, key));
  }
  return open;
}

// Everything that opens, the outer before the inner: its key, and how much it shows.
function* openable(members) {
  const levels = [[members, ""]];
  for (const [level, around] of levels) {
    for (const { member, key } of membersWithKeys(level, around)) {
      const parts = typeof member === "number"
        ? data.operations[member].inside.map(({ label, graph }) => [graph.members, `${key}/${label}`])
        : [[member.members, key]];
      if (!parts.length) continue;
      yield { key, shows: parts.reduce((sum, [inner]) => sum + inner.length, 0) };
      levels.push(...parts);
    }
  }
}

// What is open, and so much more as there is room for, the outer groups first.
function openMore(members, open, room) {
  const after = new Set(open);
  for (const { key, shows } of openable(members)) {
    if (after.has(key)) continue;
    if (room <= 0) break;
    after.add(key);
    room -= shows;
  }
  return after;
}

function closedIn(members, open) {
  return [...openable(members)].filter(({ key }) => !open.has(key)).length;
}
