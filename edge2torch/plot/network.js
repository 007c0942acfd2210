"use strict";
(() => {
  // ---- pure: colours, words and walks

  const ends = { "-1": [33, 102, 172], 0: [247, 247, 247], 1: [178, 24, 43] };
  const noScore = "#dde1e8";

  const colourOf = (share) => {
    if (share === null) return noScore;
    const size = Math.min(Math.abs(share), 1), end = ends[share > 0 ? 1 : -1];
    const part = (k) => Math.round(ends[0][k] + size * (end[k] - ends[0][k]));
    return "#" + [0, 1, 2].map((k) => part(k).toString(16).padStart(2, "0")).join("");
  };

  const inkOn = (fill) => {
    const [r, g, b] = [1, 3, 5].map((k) => parseInt(fill.slice(k, k + 2), 16) / 255)
      .map((x) => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4));
    const light = 0.2126 * r + 0.7152 * g + 0.0722 * b;
    return (light + 0.05) ** 2 > 0.0525 ? "#000" : "#fff";
  };

  const short = (x) => String(Number(x.toPrecision(2))).replace("-", "−");
  const signed = (x) => (x > 0 ? "+" : "") + short(x);
  const shownScore = (x, group) => (group === null ? short(x) : signed(x));  // a mean magnitude has no sign
  const signOf = (x) => (!x ? "" : x > 0 ? "+ " : "− ");

  const scoreOf = (data, k, group) => {
    if (!data.score) return null;
    if (group !== null) return data.score[group][k];
    const all = data.score.map((column) => column[k]).filter((x) => x !== null);
    if (!all.length) return null;
    return data.score.length === 1 ? all[0] : all.reduce((a, x) => a + Math.abs(x), 0) / all.length;
  };

  // The larger q of the two tests: a node is found when both are below the level.
  const qOf = (data, k) => {
    if (!data.tests) return null;
    const [use, specific] = [data.tests[0][k], data.tests[1][k]];
    return use === null || specific === null ? null : Math.max(use, specific);
  };

  const matches = (data, text) => {
    const wanted = text.trim().toLowerCase();
    if (!wanted) return [];
    const how = (text) => (text === wanted ? 0 : text.startsWith(wanted) ? 1 : text.includes(wanted) ? 2 : 3);
    return data.name
      .map((name, k) => [Math.min(how(name.toLowerCase()), how((data.label[k] || "").toLowerCase())), k])
      .filter(([rank]) => rank < 3)
      .sort((a, b) => a[0] - b[0] || a[1] - b[1])
      .slice(0, 20)
      .map(([, k]) => k);
  };

  const neighbours = (data, k, here, there) => {
    const found = [];
    data[here].forEach((end, row) => { if (end === k) found.push([data[there][row], data.w[row]]); });
    return found.sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]));
  };

  const inputsBelow = (data, k) => {
    const into = new Map();
    data.t.forEach((end, row) => { if (!into.has(end)) into.set(end, []); into.get(end).push(data.s[row]); });
    const seen = new Set([k]), open = [k];
    while (open.length) {
      for (const one of into.get(open.pop()) || []) if (!seen.has(one)) { seen.add(one); open.push(one); }
    }
    seen.delete(k);
    return [...seen].filter((one) => data.role[one] === 0);
  };

  // ---- the page

  const root = document.querySelector(".net");
  const $ = (selector) => root.querySelector(selector);
  const data = JSON.parse($("script").textContent);
  const svg = $("svg"), panel = $(".net-panel"), search = $(".net-search"), list = $(".net-list");
  const nodes = [...svg.querySelectorAll(".n")], edges = [...svg.querySelectorAll(".e")];
  const [from, to] = data.drawnEdges;
  const whole = svg.getAttribute("viewBox").split(" ").map(Number);
  const boxes = nodes.map((node) => {
    const at = (name) => Number(node.children[1].getAttribute(name));
    return { x: at("x") + at("width") / 2, y: at("y") + at("height") / 2, half: at("width") / 2 };
  });
  let view = [...whole], group = data.classes.length === 1 ? 0 : null, picked = null, limit = "", shown = [];

  const element = (tag, text, name) => {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (name) made.className = name;
    return made;
  };
  const labelOf = (k) => data.label[k] || data.name[k];

  const spoken = (k) => {
    const score = scoreOf(data, k, group), q = qOf(data, k);
    return labelOf(k) + (score === null ? "" : `, score ${shownScore(score, group)}`) + (q === null ? "" : `, q ${short(q)}`);
  };

  const look = (next) => {
    const width = Math.min(Math.max(next[2], whole[2] / 40), whole[2]), height = width * whole[3] / whole[2];
    const inside = (start, size, all) => Math.min(Math.max(start, 0), all - size);
    view = [inside(next[0], width, whole[2]), inside(next[1], height, whole[3]), width, height];
    svg.setAttribute("viewBox", view.map((x) => x.toFixed(1)).join(" "));
  };
  const zoom = (factor, x = view[0] + view[2] / 2, y = view[1] + view[3] / 2) =>
    look([x - (x - view[0]) * factor, y - (y - view[1]) * factor, view[2] * factor]);
  const centre = (k) => {
    const width = Math.min(view[2], whole[2] / 2), height = width * whole[3] / whole[2];
    look([boxes[k].x - width / 2, boxes[k].y - height / 2, width]);
  };

  const paint = () => {
    const scores = nodes.map((_, k) => scoreOf(data, k, group));
    if ($(".net-what")) $(".net-what").textContent =
      group === null ? ", mean magnitude: the redder, the more" : ` to ${data.classes[group]}, blue − to red +`;
    const most = Math.max(...scores.map((x) => Math.abs(x || 0))) || 1;
    nodes.forEach((node, k) => {
      const fill = colourOf(scores[k] === null ? null : scores[k] / most);
      const [, box, text] = node.children;
      box.setAttribute("fill", fill);
      text.setAttribute("fill", inkOn(fill));
      text.firstChild.textContent = group === null ? "" : signOf(scores[k]);
      node.setAttribute("aria-label", spoken(k));
    });
  };

  const filter = () => {
    shown = nodes.map((_, k) => limit === "" || (qOf(data, k) !== null && qOf(data, k) < Number(limit)));
    nodes.forEach((node, k) => node.classList.toggle("pale", !shown[k]));
    edges.forEach((edge, row) => edge.classList.toggle("gone", !shown[from[row]] && !shown[to[row]]));
    const n = shown.filter(Boolean).length;
    $(".net-count").textContent = `${n.toLocaleString("en")} of ${nodes.length.toLocaleString("en")} nodes shown`;
  };

  const button = (k, words) => {
    const made = element("button", words);
    made.type = "button";
    made.addEventListener("click", () => pick(k, true));
    return made;
  };

  const listOf = (title, rows, total) => {
    if (!rows.length) return [];
    const items = element("ul");
    rows.slice(0, 20).forEach(([k, words]) => {
      const item = element("li");
      item.append(button(k, labelOf(k)));
      if (words) item.append(element("span", words, { "−": "m", "+": "p" }[words[0]]));
      items.append(item);
    });
    const cut = Math.min(rows.length, 20) < total ? `, the first ${Math.min(rows.length, 20)}` : "";
    return [element("h4", `${title} (${total.toLocaleString("en")}${cut})`), items];
  };

  const facts = (k) => {
    const rows = [["role", data.roles[data.role[k]]]];
    if (data.label[k] && !data.label[k].includes(data.name[k])) rows.unshift(["identifier", data.name[k]]);
    const score = scoreOf(data, k, group);
    if (score !== null && data.score) {
      const sd = group !== null && data.sd ? data.sd[group][k] : null;
      const of = group === null ? "mean magnitude" : data.classes[group];
      rows.push(["score", `${shownScore(score, group)}${sd === null ? "" : ` ± ${short(sd)}`} (${of})`]);
      if (group !== null && data.rank[group][k] !== null) rows.push(["rank", data.rank[group][k]]);
      const agree = group !== null && data.agree ? data.agree[group][k] : null;
      if (agree !== null) rows.push(["same sign", `${Math.round(100 * agree)} % of repeats`]);
    }
    if (data.tests && data.tests[0][k] !== null) {
      const [use, specific] = [data.tests[0][k], data.tests[1][k]];
      rows.push(["q, use", short(use)]);
      if (specific !== null) rows.push(["q, specific", short(specific)]);
      rows.push(["found", data.tests[2][k] ? "yes" : use < data.level
        ? "no: it carries the prediction, but cannot be told from controls"
        : "no: the prediction cannot be seen to rest on it"]);
    }
    rows.push(["edges", `${data.in[k]} in, ${data.out[k]} out`]);
    return rows;
  };

  const tell = (k) => {
    const close = element("button", "×", "net-close");
    close.type = "button";
    close.setAttribute("aria-label", "Clear the selection");
    close.addEventListener("click", clear);
    const table = element("dl");
    facts(k).forEach(([name, value]) => table.append(element("dt", name), element("dd", value)));
    const parts = [close, element("h3", labelOf(k)), table];
    const [sources, targets] = [neighbours(data, k, "t", "s"), neighbours(data, k, "s", "t")];
    if (k >= nodes.length) {
      const near = [...sources, ...targets].filter(([one]) => one < nodes.length).map(([one]) => [one, ""]);
      parts.splice(2, 0, element("p", "Not in the picture."), ...listOf("Its neighbours there", near, near.length));
    }
    const by = (one) => Math.abs(scoreOf(data, one, group) || 0);
    const below = data.role[k] === 0 ? [] : inputsBelow(data, k).sort((a, b) => by(b) - by(a));
    const words = (one) => { const x = scoreOf(data, one, group); return x === null ? "" : shownScore(x, group); };
    const weighed = (rows) => rows.map(([one, w]) => [one, w === null ? "" : signed(w)]);
    parts.push(
      ...listOf("Inputs below, by score", below.map((one) => [one, words(one)]), below.length),
      ...listOf("Edges in, by weight", weighed(sources), data.in[k]),
      ...listOf("Edges out, by weight", weighed(targets), data.out[k]));
    panel.replaceChildren(...parts);
    panel.scrollTop = 0;
  };

  const stop = (k) => nodes.forEach((node, one) => { node.tabIndex = one === k ? 0 : -1; });

  // The picture has the strongest edges; of a node that is selected it shows all.
  const lay = (row) => {
    const [a, b] = [boxes[data.s[row]], boxes[data.t[row]]];
    const [start, end] = [a.x + a.half, b.x - b.half], bend = end <= start ? 36 : Math.max(36, (end - start) * 0.35);
    const edge = document.createElementNS(svg.namespaceURI, "path"), w = data.w[row];
    edge.setAttribute("class", `e near more ${w === null ? "u" : w < 0 ? "m" : "p"}`);
    edge.setAttribute("d", `M${start} ${a.y}C${start + bend} ${a.y} ${end - bend} ${b.y} ${end} ${b.y}`);
    edge.setAttribute("stroke-width", "0.7");
    edges[0].parentNode.append(edge);
  };

  const mark = (k) => {
    svg.querySelectorAll(".more").forEach((edge) => edge.remove());
    svg.classList.toggle("picked", k !== null && k < nodes.length);
    const near = new Set([k]);
    edges.forEach((edge, row) => {
      const own = from[row] === k || to[row] === k;
      edge.classList.toggle("near", own);
      if (own) near.add(from[row]).add(to[row]);
    });
    if (k !== null && k < nodes.length) data.s.forEach((source, row) => {
      const target = data.t[row], other = source === k ? target : target === k ? source : null;
      if (other === null || other >= nodes.length || near.has(other)) return;
      near.add(other);
      lay(row);
    });
    nodes.forEach((node, one) => {
      node.classList.toggle("near", near.has(one));
      node.classList.toggle("self", one === k);
      node.setAttribute("aria-pressed", String(one === k));
    });
  };

  const pick = (k, moves) => {
    picked = k;
    mark(k);
    tell(k);
    if (k >= nodes.length) return;
    stop(k);
    if (moves) centre(k);
  };

  const clear = () => {
    picked = null;
    mark(null);
    panel.replaceChildren(element("p", "Click a node, or find one by its name. With the keyboard: Tab, then the arrows."));
  };

  // ---- the keyboard: left and right along edges, up and down within a layer

  const nearest = (k, candidates) => candidates.reduce((best, one) =>
    best === null || Math.abs(boxes[one].y - boxes[k].y) < Math.abs(boxes[best].y - boxes[k].y) ? one : best, null);

  const step = (k, key) => {
    if (key === "ArrowRight" || key === "ArrowLeft") {
      const [here, there] = key === "ArrowRight" ? [data.s, data.t] : [data.t, data.s];
      return nearest(k, here.flatMap((end, row) => (end === k && there[row] < nodes.length ? [there[row]] : [])));
    }
    const layer = nodes.map((_, one) => one).filter((one) => data.column[one] === data.column[k])
      .sort((a, b) => boxes[a].y - boxes[b].y || boxes[a].x - boxes[b].x);
    return layer[layer.indexOf(k) + (key === "ArrowDown" ? 1 : -1)];
  };

  svg.addEventListener("keydown", (event) => {
    const k = nodes.indexOf(event.target.closest(".n"));
    if (event.key === "Escape") clear();
    else if (event.key === "+" || event.key === "-") zoom(event.key === "+" ? 0.8 : 1.25);
    else if (k < 0) return;
    else if (event.key === "Enter" || event.key === " ") pick(k, false);
    else if (event.key.startsWith("Arrow")) {
      const next = step(k, event.key);
      if (next !== undefined && next !== null) {
        stop(next);
        nodes[next].focus({ preventScroll: true });
        const { x, y } = boxes[next];
        if (x < view[0] || x > view[0] + view[2] || y < view[1] || y > view[1] + view[3]) centre(next);
      }
    } else return;
    event.preventDefault();
  });

  // ---- pointer: the page scrolls unless the picture has the focus, or Ctrl is held

  const point = (event) => {
    const box = svg.getBoundingClientRect();
    return [view[0] + (event.clientX - box.left) / box.width * view[2], view[1] + (event.clientY - box.top) / box.height * view[3]];
  };
  const hasFocus = () => svg.contains(document.activeElement);
  svg.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !hasFocus()) return;
    event.preventDefault();
    zoom(Math.exp(Math.max(-1, Math.min(1, event.deltaY / 200))), ...point(event));
  }, { passive: false });

  const held = new Map();
  let moved = false;
  svg.addEventListener("pointerdown", (event) => { held.set(event.pointerId, event); moved = held.size > 1; });
  window.addEventListener("pointermove", (event) => {
    const before = held.get(event.pointerId);
    if (!before) return;
    const scale = view[2] / svg.getBoundingClientRect().width;
    const by = [event.clientX - before.clientX, event.clientY - before.clientY];
    if (!moved && Math.hypot(...by) < 4) return;
    moved = true;
    if (held.size === 2) {
      const other = [...held].find(([id]) => id !== event.pointerId)[1];
      const far = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY) || 1;
      zoom(far(before) / far(event), ...point(event));
    } else look([view[0] - by[0] * scale, view[1] - by[1] * scale, view[2]]);
    held.set(event.pointerId, event);
  });
  ["pointerup", "pointercancel"].forEach((name) => window.addEventListener(name, (event) => held.delete(event.pointerId)));
  svg.addEventListener("click", (event) => {
    if (moved) { moved = false; return; }
    const node = event.target.closest(".n");
    if (!node) return clear();
    node.focus({ preventScroll: true });
    pick(nodes.indexOf(node), false);
  });
  root.querySelectorAll("[data-zoom]").forEach((one) => one.addEventListener("click", () => {
    if (one.dataset.zoom === "all") look(whole);
    else zoom(one.dataset.zoom === "in" ? 0.7 : 1 / 0.7);
  }));

  // ---- search

  let options = [], active = -1;
  const offer = () => {
    options = matches(data, search.value);
    active = options.length ? 0 : -1;
    list.replaceChildren(...options.map((k, row) => {
      const item = element("li", labelOf(k) + (k < nodes.length ? "" : " (not in the picture)"));
      item.id = `net-option-${row}`;
      item.setAttribute("role", "option");
      item.addEventListener("pointerdown", (event) => { event.preventDefault(); choose(row); });
      return item;
    }));
    if (search.value.trim() && !options.length) list.append(element("li", "no such node"));
    point_out();
  };
  const point_out = () => {
    list.hidden = !search.value.trim();
    search.setAttribute("aria-expanded", String(!list.hidden));
    [...list.children].forEach((item, row) => item.setAttribute("aria-selected", String(row === active)));
    if (active >= 0) search.setAttribute("aria-activedescendant", `net-option-${active}`);
    else search.removeAttribute("aria-activedescendant");
  };
  const shut = () => { list.hidden = true; search.setAttribute("aria-expanded", "false"); };
  const choose = (row) => { shut(); if (options[row] !== undefined) pick(options[row], true); };
  search.addEventListener("input", offer);
  search.addEventListener("blur", shut);
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") choose(active);
    else if (event.key === "Escape") { search.value = ""; offer(); shut(); clear(); }
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      active = Math.min(Math.max(active + (event.key === "ArrowDown" ? 1 : -1), 0), options.length - 1);
      point_out();
    } else return;
    event.preventDefault();
  });

  // ---- filters, print, and what only makes sense with a script

  $(".net-q")?.addEventListener("change", (event) => { limit = event.target.value; filter(); });
  $(".net-class")?.addEventListener("change", (event) => {
    group = event.target.selectedIndex ? event.target.selectedIndex - 1 : null;
    paint();
    if (picked !== null) tell(picked);
  });
  window.addEventListener("beforeprint", () => { clear(); look(whole); });
  $(".net-controls").hidden = panel.hidden = false;
  nodes.forEach((node) => { node.setAttribute("role", "button"); node.setAttribute("aria-pressed", "false"); });
  stop(0);
  filter();
  clear();
  // The page is there: now the picture is laid out, on the screen or not, so that a screen reader knows all of it.
  window.addEventListener("load", () => setTimeout(() => document.documentElement.classList.add("laid")));
})();
