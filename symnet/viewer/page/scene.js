"use strict";
// From a graph to boxes inside frames, with the edges between them.
//
// A frame is an open group, or an open operation; what crosses its border goes through a
// port.  Edges therefore join only items of one frame, and each frame is laid out alone.

const MOST_FROM_ONE_LEAF = 4; // a leaf with more users in a frame is drawn beside each

class Frame {
  constructor(kind, title, key) {
    this.kind = kind;
    this.title = title;
    this.key = key;
    this.items = [];
    this.edges = [];
    this.inPorts = new Map();
    this.outPorts = new Map();
  }

  add(item) {
    this.items.push(item);
    return item;
  }

  port(ports, name, variable, label = "") {
    if (!ports.has(name)) {
      const side = ports === this.inPorts ? "in" : "out";
      ports.set(name, this.add({ kind: "port", side, variable, label }));
    }
    return ports.get(name);
  }

  // An end of an edge is an item and, if that is a frame, the name of a port there.
  connect(from, to, variable) {
    this.edges.push({ from, to, variable });
  }
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
    for (const { variable, role } of roots) {
      const kind = role.startsWith("update") ? "update" : "output";
      const item = frame.kind === "inside"
        ? frame.port(frame.outPorts, role, variable, role)
        : frame.add({ kind, variable, label: role });
      frame.connect(source(variable), { item }, variable);
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
    for (const child of children) for (const v of child.made) makers.set(v, child.item);
    const drawn = new Map();
    const leaf = (v, child) => {
      const count = children.filter((one) => one.needs.has(v)).length;
      const name = child && count > MOST_FROM_ONE_LEAF ? `${v} ${child.key}` : `${v}`;
      if (!drawn.has(name)) {
        const kind = data.variables[v].kind;
        drawn.set(name, frame.add({ kind, variable: v, label: variableName(v) }));
      }
      return { item: drawn.get(name) };
    };
    return (v, child = null) => {
      if (makers.has(v)) return { item: makers.get(v), port: v };
      if (leaves.has(v) || data.variables[v].number) return leaf(v, child);
      return { item: frame.port(frame.inPorts, v, v) };
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
    for (const v of child.gives) {
      frame.connect(source(v), { item: frame.port(frame.outPorts, v, v) }, v);
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
    for (const [inner] of inputs) part.port(part.inPorts, inner, inner, variableName(inner));
    this.fillGraph(part, graph, graph.roots, given);
  }

  joinInside(frame, part, { graph, inputs, outputs }) {
    for (const [inner, outer] of inputs) {
      if (outer === null || data.variables[outer].number) continue;
      const port = frame.port(frame.inPorts, outer, outer);
      frame.connect({ item: port }, { item: part, port: inner }, outer);
    }
    graph.roots.forEach((root, k) => {
      const port = frame.port(frame.outPorts, outputs[k], outputs[k]);
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

function everyKey(members) {
  const keys = new Set();
  for (const { around } of placesOf(members)) for (const key of around) keys.add(key);
  return keys;
}
