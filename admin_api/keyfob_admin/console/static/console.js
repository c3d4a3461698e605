"use strict";
// Every flow works without this file. It saves clicks, counts along, and looks after the secret while it is shown.
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const one = (selector) => document.querySelector(selector);
const made = (name, className, ...content) => {
  const element = Object.assign(document.createElement(name), { className });
  element.append(...content);
  return element;
};

// Dialogs in browsers that don't know `commandfor` yet.
if (!("commandForElement" in HTMLButtonElement.prototype))
  for (const button of all("[commandfor]"))
    button.onclick = () => document.getElementById(button.getAttribute("commandfor")).showModal();

// What is asked in a dialog here, and on a page of its own without this file.
for (const link of all("[data-opens]"))
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    document.getElementById(link.dataset.opens).showModal();
  });

// A message about what was just done is not repeated when the page is reloaded.
for (const message of all("[data-once]")) {
  const address = new URL(location);
  for (const name of message.dataset.once.split(" ")) address.searchParams.delete(name);
  history.replaceState(null, "", address);
}

// The theme changes in place, so that a page with a secret stays.
const themes = one(".themes");
themes?.addEventListener("submit", (event) => {
  event.preventDefault();
  const body = new URLSearchParams(new FormData(themes, event.submitter));
  fetch(themes.action, { method: "POST", body, redirect: "manual" });
  const theme = event.submitter.value;
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  for (const button of all("button", themes)) button.setAttribute("aria-pressed", button === event.submitter);
});

// One press is one key.
for (const form of all("form[method=post]:not(.themes)"))
  form.addEventListener("submit", (event) => {
    if (event.submitter?.formMethod === "dialog") return;
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
// A page that is only there to be gone on from; not before somebody sees it, as browsers load pages ahead.
const onward = one("[data-goes-on]");
if (document.prerendering) document.addEventListener("prerenderingchange", () => onward?.requestSubmit());
else onward?.requestSubmit();
addEventListener("pageshow", () => all("[data-sent]").forEach((form) => delete form.dataset.sent));

// What is pasted into the box stays in one line, and is looked up at once if there is a key's id in it. That need not
// be the box: whatever is pasted elsewhere than into a field is meant for it, but for a page with a secret on it.
const box = one(".top input[type=search]");
const inField = (target) => /INPUT|SELECT|TEXTAREA/.test(target.tagName);
addEventListener("paste", (event) => {
  if (!box || (event.target !== box && (inField(event.target) || one("[data-reveal], dialog[open]")))) return;
  box.focus();
  const text = event.clipboardData.getData("text").replace(/\s+/g, " ");
  event.preventDefault();
  box.setRangeText(text, box.selectionStart, box.selectionEnd, "end");
  if (/_[^\W_]{16}(?![^\W_])/.test(text)) box.form.requestSubmit();
}, true);

// A key that was pasted to be searched for is cut to its id before it gets into an address.
for (const place of all(".filters"))
  place.addEventListener("submit", (event) => {
    for (const input of event.target.elements) input.value = input.value.replace(/\w+_([^\W_]{16})_\w+/g, "$1");
  });

// Keys are ticked one by one, from one to another with Shift, or all; the button says how many.
const ticks = all(".keys tbody [name=key]");
if (ticks.length) {
  const every = one("[data-all]");
  let last = 0;
  const count = () => {
    const number = ticks.filter((tick) => tick.checked).length;
    one("[data-many]").textContent = `Disable ${number} ${number === 1 ? "key" : "keys"}…`;
    every.firstChild.checked = number === ticks.length;
  };
  every.hidden = false;
  every.addEventListener("change", () => {
    for (const tick of ticks) tick.checked = every.firstChild.checked;
    count();
  });
  ticks.forEach((tick, at) =>
    tick.addEventListener("click", (event) => {
      if (event.shiftKey)
        for (const one of ticks.slice(Math.min(last, at), Math.max(last, at) + 1)) one.checked = tick.checked;
      last = at;
      count();
    }),
  );
  one("#bulk").addEventListener("reset", () => setTimeout(count));
  // What would be disabled is named before, with last uses; without this file a page of its own asks.
  one("[data-many]").addEventListener("click", (event) => {
    const rows = ticks.filter((tick) => tick.checked).map((tick) => tick.closest("tr"));
    const working = rows.filter((row) => !row.querySelector(".state.disabled"));
    if (!working.length) return;
    event.preventDefault();
    const dialog = one("#many");
    const today = new Date().toISOString().slice(0, 10);
    const used = working.filter((row) => row.querySelector(".w-used time")?.dateTime.startsWith(today)).length;
    const some = working.length === 1 ? "1 key" : `${working.length} keys`;
    const line = (row) => made("li", "", row.querySelector("th a").textContent, " ", made("span", "muted", row.querySelector(".w-used").textContent.trim()));
    one("#many-title").textContent = `Disable ${some}?`;
    one("#many [name=confirmed]").textContent = `Disable ${some}`;
    const roots = all("[data-root]");
    const refused = roots.length > 0 && roots.every((tick) => tick.checked);
    if (roots.length) one("[data-last]").hidden = !refused;
    one("#many [name=confirmed]").hidden = refused;
    one("[data-own-words]").hidden = !one(".keys [data-own]:checked");
    one("[data-stop]").textContent = `${working.length === 1 ? "This key stops" : `These ${some} stop`} working ${one("[data-stop]").dataset.when}. ${used ? `${used} ${used === 1 ? "was" : "were"}` : "None was"} used today.`;
    one(".named").replaceChildren(...working.map(line));
    dialog.showModal();
  });
  count();
}

// A key's id is copied from its menu, which says so for a moment.
for (const button of all("[data-copy-id]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.closest("tr").querySelector(".mono").textContent);
    button.textContent = "Copied";
  });
}

// One menu is open at a time, and Escape closes it.
const menus = all(".menu");
addEventListener("click", (event) => menus.forEach((menu) => menu.contains(event.target) || (menu.open = false)));
addEventListener("keydown", (event) => {
  if (event.key === "Escape")
    for (const menu of menus.filter((menu) => menu.open)) (menu.open = false), one(":focus")?.closest(".menu") === menu && menu.firstElementChild.focus();
  if (event.key === "/" && !inField(document.activeElement)) event.preventDefault(), box?.focus();
});

const draft = one("form.draft");
if (draft) {
  const boxes = all("[name=permission]", draft);
  const expires = one("#expires");
  const date = one("[name=expires_on]");
  const action = (box) => box.value.split(":")[1] ?? box.value;
  const title = (group) => one(`#${group.id} :is(legend, th)`).firstChild.textContent.trim();
  const line = ([group, some]) =>
    made("li", "", title(group), made("span", "sub", ...some.flatMap((box, at) => [at ? ", " : "", made("span", action(box) === "delete" ? "danger" : "", action(box))])));
  const update = () => {
    const ticked = boxes.filter((box) => box.checked);
    const groups = all(".group", draft).map((group) => [group, all(":checked", group)]);
    const resources = groups.filter(([, some]) => some.length);
    const deleting = ticked.filter((box) => action(box) === "delete").length;
    const many = boxes.length > 20;
    const names = many ? "" : ticked.map(({ dataset: { label } }) => label.charAt(0).toLowerCase() + label.slice(1)).join(", ");
    if (boxes.length) {
      one("[data-names]").textContent = ticked.length ? names : "nothing yet";
      if (many) one("[data-lines]").replaceChildren(...resources.map(line));
      one("[data-count]").textContent = `${ticked.length} of ${boxes.length} · ${resources.length} resource${resources.length === 1 ? "" : "s"}`;
      if (deleting) one("[data-count]").append(" · ", made("strong", "", `${deleting} can delete`));
    }
    for (const [group, some] of groups) {
      const count = one(`#${group.id} [data-granted]`);
      const words = `${some.length} of ${all("input", group).length}`;
      if (count) count.textContent = group.matches("tr") ? (some.length ? words : "") : `${words} granted`;
    }
    date.disabled = expires.value !== "date";
  };
  draft.addEventListener("input", update);
  for (const button of all("[data-preset]", draft))
    button.addEventListener("click", (event) => {
      event.preventDefault();
      const names = button.dataset.preset.split(" ");
      for (const box of boxes) box.checked = names.includes(box.value);
      update();
    });
  const filter = one("[data-filter]");
  if (filter) {
    filter.addEventListener("keydown", (event) => event.key === "Enter" && event.preventDefault());
    filter.addEventListener("input", () => {
      const wanted = filter.value.trim().toLowerCase();
      for (const box of boxes)
        box.closest("label").hidden = !`${box.value} ${box.closest("label").textContent} ${box.closest("label").title}`.toLowerCase().includes(wanted);
      for (const group of all(".group", draft)) group.hidden = !one(`#${group.id} label:not([hidden])`);
    });
  }
  update();
}

// Whoever comes back to what only a form could show comes to its page, not to the browser's question about the form.
const after = one("[data-after]");
if (after) addEventListener("beforeunload", () => history.replaceState(null, "", after.dataset.after));

// What is shown once is copied by a button, which says so.
const shown = all("[data-secret]");
const secret = shown[0]?.textContent;
const say = (words) => (one(".status").textContent = words);
let safe = false;
let hidden = false;
const toggle = () => {
  hidden = !hidden;
  for (const place of shown) place.textContent = hidden ? "•".repeat(32) : secret;
  one("[data-hide]").textContent = hidden ? "Show" : "Hide";
  say(hidden ? "Secret hidden" : "Secret shown");
};
for (const button of all("[data-copy]")) {
  const from = one(button.dataset.copy);
  const isSecret = shown.includes(from);
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(isSecret ? secret : from.value ?? from.textContent);
      safe ||= isSecret;
      say(isSecret ? "Secret copied to clipboard" : button.dataset.said);
    } catch {
      if (hidden && isSecret) toggle();
      from.value ? from.select() : getSelection().selectAllChildren(from);
      say("Press Ctrl+C to copy");
    }
  });
}

const reveal = one("[data-reveal]");
if (reveal) {
  const hide = one("[data-hide]");
  hide.hidden = false;
  hide.addEventListener("click", toggle);
  document.addEventListener("copy", () => (safe ||= String(getSelection()).includes(secret)));
  one("[data-stored]").addEventListener("change", (event) => (safe ||= event.target.checked));
  // Whoever comes back after Done, or another link, comes to the key, not to a form that would be sent again.
  addEventListener("beforeunload", (event) => (safe ? history.replaceState(null, "", reveal.dataset.reveal) : event.preventDefault()));
  addEventListener("pagehide", () => shown.forEach((place) => (place.textContent = "")));
  addEventListener("pageshow", (event) => event.persisted && location.replace(reveal.dataset.reveal));
}
