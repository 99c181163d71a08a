"use strict";
// The page as a whole.

function showTab(name) {
  for (const tab of ["graph", "program"]) {
    byId(tab).hidden = tab !== name;
    byId(`show-${tab}`).classList.toggle("chosen", tab === name);
  }
  byId("hover").hidden = true;
}

byId("title").textContent = data.title;
byId("show-graph").addEventListener("click", () => showTab("graph"));
byId("show-program").addEventListener("click", () => showTab("program"));
if (data.program) fillProgram(data.program);
else byId("show-program").hidden = true;
facts([["", "Click a box to see what is known of it, a folded one (▸) to open it. Drag to move, "
  + "scroll to zoom."], ...(data.rewrites_left_out
  ? [["rewrites", `${data.rewrites_left_out} more are not on the slider`]] : [])]);
show(0);
document.documentElement.dataset.ready = "yes";
