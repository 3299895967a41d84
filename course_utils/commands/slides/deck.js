/* Lays the parts of a lecture out on slides of 1280 x 720 and hands them to reveal.js.

A slide that is too tall is handled in this order: smaller text (26 to 20 px; code 18 to 14 px), the code of a figure folded
away (key C shows it), text beside the figure, and at last continuation slides, as few as the sizes allow; code of more than
20 lines is folded for them too where its output shows what it found.  Figures take the room that is left, but their smallest
text keeps 14 px.  Answers (<details>) lie behind key A; only a printed deck gives them a slide of their own.  Nothing scrolls.
Everything is measured before reveal.js starts, so nothing moves later. */
"use strict";
const WIDTH = 1168, HEIGHT = 612; // what the padding of a 1280 x 720 slide leaves, see deck.css
const TEXT = [26, 24, 22, 20], CODE = [18, 17, 16, 15, 14], LARGE = [30, 28]; // px; LARGE where there is little to read
const LONG_CODE = 20; // lines: as much as a slide shows
const SMALL = 18; // px: a formula or a table that is too wide shrinks to this
const FIGURE_TEXT = 14, FIGURE_GOOD = 112, FIGURE_MAX = 165; // px of the smallest text; px an inch: wanted, at most
const BESIDE = 10; // em of text, its distance from the figure included: a narrower column holds one word a line
const MONO = 0.605; // width of a letter of code, in em
const stage = document.querySelector(".slides");
const make = (tag, name = "", text = "") => Object.assign(document.createElement(tag), { className: name, textContent: text });
const printing = /print-pdf|view=print/.test(location.search);
const isHeading = unit => /^H[1-6]$/.test(unit.el.tagName);
const isExercise = unit => /\bexercise\b/.test(unit.cell.dataset.tags);

/* What announces the next block: a heading, a line in bold, a line that ends with a colon. */
function announces(unit) {
  const { el } = unit;
  if (isHeading(unit)) return true;
  return el.tagName === "P" && (/:\s*$/.test(el.textContent) || (el.children.length === 1 && el.firstElementChild.textContent === el.textContent.trim()));
}

/* The pieces a slide can be cut into, blocks of text, code, outputs, and the answers it has in <details>. */
function unitsOf(section) {
  const found = [], answers = [];
  const add = (el, cell, turn = false) => {
    if (el.tagName === "DETAILS") {
      const summary = el.querySelector("summary"), heading = make("h3", "", summary.textContent), answer = make("div");
      summary.remove();
      answer.append(...el.childNodes); // also bare text
      if (printing) add(heading, cell, true), add(answer, cell);
      else answers.push(heading, answer);
    } else if (el.classList.contains("html") && el.children.length && ![...el.childNodes].some(n => n.nodeType === 3 && n.data.trim())) {
      for (const child of [...el.children]) add(child, cell, turn);
    } else found.push({ el, cell, turn });
  };
  for (const cell of section.querySelectorAll(".cell")) for (const child of [...cell.children]) add(child, cell);
  return { units: found, answers };
}

/* A page that holds these units, each in a copy of its cell's box. */
function pageOf(units) {
  const page = make("section", "page");
  let cell, box;
  for (const unit of units) {
    if (unit.cell !== cell) {
      cell = unit.cell;
      box = page.appendChild(cell ? cell.cloneNode(false) : make("div", "cell"));
    }
    box.append(unit.el);
  }
  return page;
}

const columnsOf = pre => Math.max(...pre.textContent.split("\n").map(line => line.length));
const leastInch = figure => (FIGURE_TEXT * 72) / figure.dataset.font; // px an inch at which its smallest text has FIGURE_TEXT px

function setFigures(page, inch) {
  for (const figure of page.querySelectorAll("figure[data-inches]")) {
    const img = figure.querySelector("img"), wanted = Math.max(inch, leastInch(figure)) * figure.dataset.inches;
    const shape = img.getAttribute("width") / img.getAttribute("height");
    const width = Math.min(wanted, WIDTH, (HEIGHT - 12) * shape); // the test complains when its text gets too small here
    img.style.width = `${width}px`;
    img.style.height = `${width / shape}px`;
  }
}

/* Whether a page (on the stage) has room for everything at these sizes. */
function fits(page, { text, code, folded = false, beside = false, inch = 0 }) {
  page.style.setProperty("--text", `${text}px`);
  page.classList.toggle("folded", folded);
  page.classList.toggle("beside", beside);
  for (const pre of page.querySelectorAll("pre")) {
    const size = Math.min(code, (WIDTH - 24) / (MONO * columnsOf(pre)));
    pre.style.fontSize = `${Math.max(CODE.at(-1), size)}px`;
    pre.classList.toggle("wrapped", size < CODE.at(-1));
  }
  setFigures(page, inch);
  for (const wide of page.querySelectorAll("table, math[display=block]")) {
    wide.style.fontSize = "";
    const width = (wide.firstElementChild.tagName === "mrow" ? wide.firstElementChild : wide).getBoundingClientRect().width;
    if (width > WIDTH) wide.style.fontSize = `${Math.max(SMALL, Math.floor((parseFloat(getComputedStyle(wide).fontSize) * WIDTH) / width * 4) / 4 - 0.25)}px`;
  }
  const box = page.getBoundingClientRect();
  const room = WIDTH - (page.querySelector("figure[data-inches]")?.getBoundingClientRect().width ?? 0);
  if (beside && room < BESIDE * text) return false;
  return box.height <= HEIGHT && page.scrollWidth <= WIDTH
    && [...page.querySelectorAll("pre, table, math[display=block]")].every(el => el.getBoundingClientRect().right <= box.left + WIDTH + 1);
}

/* Sizes at which all of the page fits, the most readable first; null if there are none.  mayFold: also code without a figure. */
function arrangement(page, mayFold = false) {
  const figures = page.querySelectorAll("figure[data-inches]").length, exercise = page.querySelector("[data-tags~=exercise]");
  const folded = Boolean(!exercise && (figures || mayFold) && page.querySelector("pre.code"));
  const tries = [];
  if (figures) {
    if (folded) for (const k of [0, 1]) tries.push({ text: TEXT[k], code: CODE[k], inch: FIGURE_GOOD });
    for (const k of [0, 1, 2]) tries.push({ text: TEXT[k], code: CODE[k + 1], inch: FIGURE_GOOD, folded });
    for (const k of [1, 2, 3]) tries.push({ text: TEXT[k], code: CODE[k + 1], folded });
    if (figures === 1 && page.querySelector("p, li")) for (const k of [1, 2, 3]) tries.push({ text: TEXT[k], code: CODE[k + 1], folded, beside: true });
  } else for (const fold of folded ? [false, true] : [false]) {
    for (const text of LARGE) tries.push({ text, code: 20, folded: fold });
    for (const k of [0, 1, 2, 3, 4]) tries.push({ text: TEXT[Math.min(k, 3)], code: CODE[k], folded: fold });
  }
  return tries.find(sizes => fits(page, sizes)) || null;
}

/* The figures of a page take the room that is left. */
function grow(page, sizes) {
  let low = sizes.inch || 0, high = sizes.beside ? Math.max(low, FIGURE_GOOD) : FIGURE_MAX;
  if (!page.querySelector("figure[data-inches]")) return;
  for (let i = 0; i < 6; i++) {
    const inch = (low + high) / 2;
    if (fits(page, { ...sizes, inch })) low = inch;
    else high = inch;
  }
  fits(page, { ...sizes, inch: low });
}

/* The first part of a list, a table or code that is long enough to fill a page, and the rest; null if it can't be cut. */
function cut(unit, room) {
  const el = unit.el, tag = el.tagName;
  const holder = tag === "TABLE" ? el.tBodies[0] : el;
  if (!["PRE", "UL", "OL", "TABLE"].includes(tag) || !holder || holder.children.length < 2) return null;
  const children = [...holder.children];
  const first = el.cloneNode(tag === "TABLE"), into = tag === "TABLE" ? first.tBodies[0] : first;
  if (tag === "TABLE") into.replaceChildren();
  let last = 0, inner = 0; // best: before a definition or statement; else before a method
  for (let n = 1; n < children.length; n++) {
    into.append(children[n - 1]);
    if (!room({ ...unit, el: first })) break;
    if (tag !== "PRE" || children[n].classList.contains("first")) last = n;
    if (children[n].classList.contains("inner")) inner = n;
  }
  if (inner > 2.5 * last) last = inner;
  if (!last) last = Math.max(1, into.children.length - 1);
  into.replaceChildren(...children.slice(0, last));
  holder.replaceChildren(...children.slice(last));
  if (tag === "PRE") while (holder.firstElementChild && !holder.firstElementChild.textContent.trim()) holder.firstElementChild.remove();
  if (tag === "OL") el.start = (el.start || 1) + last;
  return [{ ...unit, el: first }, { ...unit, turn: false }];
}

/* Whether all the code of these units is long and has its output or figure beside it. */
function outputsTell(units) {
  const codes = units.filter(({ el }) => el.matches("pre.code"));
  return codes.length > 0 && codes.every(code =>
    code.el.children.length > LONG_CODE && !isExercise(code) && units.some(({ el, cell }) => cell === code.cell && el.matches("pre.text, figure")));
}

/* The fewest pages that these units fill, at the largest sizes for it. */
function fewestPages(units) {
  const heading = units.find(isHeading)?.el.textContent, hasFigure = units.some(({ el }) => el.matches("figure[data-inches]"));
  const folds = hasFigure && !units.some(isExercise) ? [true] : outputsTell(units) ? [false, true] : [false];
  let best = null;
  for (const folded of folds)
    for (const k of [1, 2, 3]) {
      const pages = split(units, { text: TEXT[k], code: CODE[k + 1], folded }, heading);
      if (!best || pages.length < best.pages.length) best = { pages, folded };
    }
  return best;
}

/* Fills pages one after the other.  The units stay whole: their copies are cut. */
function split(units, sizes, heading) {
  const pages = [];
  const title = () => (heading && pages.length ? [{ el: make("h3", "again", heading), cell: null }] : []);
  const room = list => {
    const page = stage.appendChild(pageOf(list)), ok = fits(page, sizes);
    page.remove();
    return ok;
  };
  const leads = unit => announces(unit) || (sizes.folded && unit.el.matches("pre.code")); // folded code stays with its output
  let current = [], rest = units.map(unit => (unit.el.matches("pre, ul, ol, table") ? { ...unit, el: unit.el.cloneNode(true) } : unit));
  const close = () => {
    const carried = [];
    while (current.length > 1 && leads(current.at(-1))) carried.unshift(current.pop());
    pages.push(current);
    current = [...(carried.length ? [] : title()), ...carried];
  };
  const only = list => list.every(leads);
  while (rest.length) {
    const unit = rest.shift();
    if (unit.turn && current.length) {
      pages.push(current);
      current = [];
    }
    if (!room([...current, unit])) {
      if (!only(current)) close();
      if (current[0]?.el.className === "again" && room([unit])) current = []; // a tall figure needs all the room
      if (!room([...current, unit])) {
        const parts = cut(unit, piece => room([...current, piece]));
        if (parts) {
          current.push(parts[0]);
          close();
          rest.unshift(parts[1]);
          continue;
        }
      }
    }
    current.push(unit);
  }
  if (current.length) pages.push(current);
  return pages;
}

const answersOf = new WeakMap(); // page: what its key A shows

/* The slides that one slide of the notebook becomes. */
function layout(section) {
  const notes = section.querySelector(":scope > aside.notes"), { units: all, answers } = unitsOf(section), done = [];
  const groups = [[]]; // printed answers are laid out on their own
  for (const unit of all) (unit.turn && groups.at(-1).length ? groups[groups.push([]) - 1] : groups.at(-1)).push(unit);
  for (const units of groups.filter(group => group.length)) {
    let page = stage.appendChild(pageOf(units)), sizes = arrangement(page);
    if (sizes) {
      grow(page, sizes);
      done.push(page);
      continue;
    }
    page.remove();
    const { pages: parts, folded } = fewestPages(units);
    for (const units of parts) {
      page = stage.appendChild(pageOf(units));
      sizes = arrangement(page, folded) || { text: TEXT[3], code: CODE[4], folded };
      fits(page, sizes);
      grow(page, sizes);
      done.push(page);
    }
    if (parts.length > 1) parts.forEach((_, i) => (done.at(i - parts.length).dataset.part = `${i + 1} of ${parts.length}`));
  }
  for (const page of done) {
    for (const cell of page.querySelectorAll(".cell.step")) // what appears needs something that stands before
      if (cell.previousElementSibling && !only(page, cell)) cell.classList.add("fragment");
    const buttons = page.appendChild(make("div", "buttons"));
    if (answers.length) buttons.append(Object.assign(make("button", "show-answers", answers[0].textContent), { title: "Answers (A)" }));
    if (page.matches(".folded") && page.querySelector("pre.code")) buttons.append(Object.assign(make("button", "show-code", "Code"), { title: "Show the code of this slide (C)" }));
    answersOf.set(page, answers);
    page.remove();
  }
  if (notes && done.length) done[0].append(notes);
  return done;
}

/* Whether nothing but headings stands before this cell. */
function only(page, cell) {
  for (let box = page.firstElementChild; box !== cell; box = box.nextElementSibling)
    if ([...box.children].some(el => !/^H[1-6]$/.test(el.tagName))) return false;
  return true;
}

/* --- code and answers of a slide, colours, printing ------------------------------------------------------------------- */
const dialog = document.querySelector("dialog.over");

let screens = [];

/* Lays the next screen over the slide, as large as it fits; after the last one the slide is back. */
function nextScreen() {
  const screen = screens.shift();
  if (!screen) return dialog.close();
  dialog.replaceChildren(screen, make("p", "more", screens.length ? "Space: the rest" : "Space: close"));
  if (!dialog.open) dialog.showModal();
  const fitsAt = size => {
    dialog.style.fontSize = `${size}px`;
    return dialog.scrollHeight <= innerHeight && dialog.scrollWidth <= innerWidth;
  };
  for (let size = innerHeight / (screen.tagName === "PRE" ? 34 : 24); size > 10 && !fitsAt(size); size -= 0.1);
}

/* The code of a slide on as many screens as it takes. */
function showCode(slide) {
  const lines = [...slide.querySelectorAll("pre.code .line")].map(line => line.cloneNode(true));
  const perScreen = Math.floor((720 - 28) / (1.2 * CODE.at(-1)));
  while (lines.length) {
    const pre = make("pre", "code");
    pre.append(...lines.splice(0, perScreen));
    screens.push(pre);
  }
  nextScreen();
}

function showAnswers(slide) {
  const answers = make("div", "answers");
  answers.append(...(answersOf.get(slide) || []).map(el => el.cloneNode(true)));
  if (answers.children.length) screens.push(answers);
  nextScreen();
}
dialog.addEventListener("click", nextScreen);
dialog.addEventListener("close", () => (screens = []));
dialog.addEventListener("keydown", event => {
  event.stopPropagation();
  if (/^[acAC ]$|Arrow|Enter/.test(event.key)) nextScreen(), event.preventDefault();
});

const setDark = dark => document.documentElement.classList.toggle("dark", dark && !printing);
const prefersDark = matchMedia("(prefers-color-scheme: dark)");
setDark(prefersDark.matches);
prefersDark.addEventListener("change", event => setDark(event.matches));

function printDeck() {
  location.assign(`${location.pathname}?print-pdf&now`);
}
if (!printing)
  addEventListener("keydown", event => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "p") event.preventDefault(), printDeck();
  });

(async () => {
  await document.fonts.ready;
  const sources = [...stage.children].map(stack => [...stack.children]);
  for (const stack of [...stage.children]) stack.remove();
  const titles = [], stacks = [];
  for (const slides of sources) {
    const stack = make("section"), pages = slides.flatMap(layout);
    const title = pages.map(page => page.querySelector("h1, h2")).find(Boolean);
    if (title) titles[0] ??= title.textContent;
    stack.dataset.title = title ? title.textContent : stacks.at(-1)?.dataset.title || "";
    stack.append(...pages);
    if (pages.length) stacks.push(stack);
  }
  stage.append(...stacks);
  stage.classList.remove("measuring");
  document.querySelector(".reveal").addEventListener("click", event => {
    if (event.target.matches(".show-code")) showCode(Reveal.getCurrentSlide());
    if (event.target.matches(".show-answers")) showAnswers(Reveal.getCurrentSlide());
  });
  const where = document.querySelector(".where");
  const say = () => {
    const slide = Reveal.getCurrentSlide(), title = slide.parentElement.dataset.title || "";
    const again = slide.querySelector("h1, h2") ? titles[0] : title;
    where.textContent = (slide.querySelector("h1") ? "" : again) + (slide.dataset.part ? ` (${slide.dataset.part})` : "");
  };
  Reveal.on("ready", say);
  Reveal.on("slidechanged", say);
  Reveal.on("pdf-ready", () => {
    document.documentElement.dataset.printReady = "yes";
    if (/[?&]now\b/.test(location.search)) print();
  });
  await Reveal.initialize({
    width: 1280, height: 720, margin: 0, minScale: 0.1, maxScale: 6, center: false, hash: true, slideNumber: "c/t",
    navigationMode: "linear", transition: "none", backgroundTransition: "none", controls: true, controlsTutorial: false, progress: true, scrollActivationWidth: null,
    pdfSeparateFragments: false, pdfMaxPagesPerSlide: 1, help: true, plugins: [RevealNotes],
  });
  Reveal.addKeyBinding({ keyCode: 65, key: "A", description: "Answers (a printed deck has them on slides of their own)" }, () => showAnswers(Reveal.getCurrentSlide()));
  Reveal.addKeyBinding({ keyCode: 67, key: "C", description: "Code of the slide" }, () => showCode(Reveal.getCurrentSlide()));
  Reveal.addKeyBinding({ keyCode: 68, key: "D", description: "Dark or light" }, () => setDark(!document.documentElement.classList.contains("dark")));
  Reveal.addKeyBinding({ keyCode: 80, key: "P", description: "Print, or save as PDF" }, printDeck);
  document.documentElement.dataset.ready = "yes";
})();
