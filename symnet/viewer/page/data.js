"use strict";
// What the page shows, and how one says it.  All text from the program goes into the page
// as text, never as HTML.

const data = JSON.parse(document.getElementById("data").textContent);

const byId = (id) => document.getElementById(id);

function element(name, text = "", className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function svgElement(name, attributes = {}, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  return made;
}

function shorten(text, longest = 34) {
  return text.length <= longest ? text : text.slice(0, longest - 1) + "…";
}

function bytesText(count) {
  for (const [unit, size] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) {
    if (count >= size) return `${Number((count / size).toPrecision(3))} ${unit}`;
  }
  return `${count} bytes`;
}

function lineText(number) {
  if (number === null) return "";
  const line = data.lines[number];
  const role = line.role ? `${line.role} of ` : "";
  return `${role}${line.place}` + (line.text ? `: ${line.text}` : "");
}

function variableName(number) {
  const variable = data.variables[number];
  if (variable.label) return variable.label;
  if (variable.name) return variable.name;
  if (variable.operation === null) return variable.kind;
  return data.operations[variable.operation].op;
}

function rangeText(range) {
  const parts = [`shape (${range.shape.join(", ")})`];
  if (range.min !== undefined) parts.push(`${range.min} … ${range.max}, mean ${range.mean}`);
  if (range.nan) parts.push(`${range.nan} NaN`);
  if (range.inf) parts.push(`${range.inf} infinite`);
  return parts.join("; ");
}

// [what, text] of everything that is known of a variable.
function variableFacts(number) {
  const variable = data.variables[number];
  const facts = [["type", variable.type], ["dtype", variable.dtype]];
  if (variable.name) facts.unshift(["name", variable.name]);
  if (variable.shape) {
    facts.push(["shape", `(${variable.shape.map((n) => n ?? "?").join(", ")})`]);
  }
  if (variable.value) facts.push(["value", variable.value]);
  if (variable.range) facts.push(["in the traced call", rangeText(variable.range)]);
  return facts;
}

function operationFacts(number) {
  const operation = data.operations[number];
  const facts = [["operation", operation.op]];
  operation.inputs.forEach((v, k) => {
    facts.push([`input ${k}`, `${variableName(v)}: ${data.variables[v].type}`]);
  });
  for (const v of operation.outputs) facts.push(...variableFacts(v));
  if (operation.line !== null) facts.push(["your line", lineText(operation.line)]);
  return facts;
}

const isBad = (operation) =>
  operation.outputs.some((v) => data.variables[v].range?.nan || data.variables[v].range?.inf);
