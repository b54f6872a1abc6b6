/* The portal works without this file. It adds comfort: keyboard, dialogs, calendar, drafts, live parts.
   No text of its own: sentences come from the page (data-words). No eval, no inline style. */
(() => {
  "use strict";

  const body = document.body;
  const words = JSON.parse(body.dataset.words || "{}");
  const lang = document.documentElement.lang || "fr";
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const say = (name, values = {}) => Object.entries(values).reduce((text, [key, value]) => text.replace(`{${key}}`, value), words[name] || "");
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value === true) element.setAttribute(name, "");
      else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  };
  const typing = (target) => target.closest("input, textarea, select, [contenteditable], dialog[open]");

  /* ---------------------------------------------------------------- form token and messages */
  const tokenMeta = $('meta[name="csrf-token"]');
  const token = () => (tokenMeta ? tokenMeta.content : "");

  async function freshToken() {
    const answer = await fetch(body.dataset.tokenUrl, { headers: { Accept: "application/json" }, credentials: "same-origin", cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    const facts = await answer.json();
    if (tokenMeta) tokenMeta.content = facts.token;
    $$('input[name="csrf_token"]').forEach((input) => { input.value = facts.token; });
    return facts;
  }

  /* Where a message is seen: in the window that covers the page, if one does. */
  function messageBox() {
    const dialog = $$("dialog[open]").pop();
    if (!dialog) return $("#messages");
    let box = $("[data-dialog-messages]", dialog);
    if (!box) { box = make("div", { "data-dialog-messages": "" }); ($(".dialog-title", dialog) || dialog.firstElementChild).after(box); }
    return box;
  }
  function show(alert, box) {
    box.append(alert);
    box.scrollIntoView({ block: "nearest" });
    if (box.matches("[data-dialog-messages]") || document.activeElement === body) { alert.tabIndex = -1; alert.focus(); }
  }
  function notice(text, link) {
    const box = messageBox();
    if (!box) return;
    const inside = make("div", { class: "alert-text" }, make("p", { class: "alert-title" }, text));
    if (link) inside.append(make("p", {}, make("a", { href: link.href, target: "_blank", rel: "noopener" }, link.label)));
    if ($$(".alert-title", box).some((known) => known.textContent === text)) return;
    show(make("div", { class: "alert alert-danger", role: "alert" }, inside), box);
  }
  let expired = false;
  const sessionExpired = () => { expired = true; notice(say("sessionExpired"), body.dataset.loginUrl ? { href: body.dataset.loginUrl, label: say("signIn") } : null); };
  /* Back from the other tab where one signed in: the forms of this page are good again, and go on being kept. */
  async function signedInAgain() {
    try {
      if (!(await freshToken()).signed_in) return false;
    } catch { return false; /* it is said again at the next try */ }
    expired = false;
    $$("#messages .alert-title, [data-dialog-messages] .alert-title").filter((one) => one.textContent === say("sessionExpired")).forEach((one) => one.closest(".alert").remove());
    return true;
  }
  document.addEventListener("visibilitychange", async () => {
    if (!expired || document.visibilityState !== "visible" || !(await signedInAgain())) return;
    $$("form[data-dirty]").forEach((form) => form.dispatchEvent(new CustomEvent("portal:keep")));
  });

  /* A form kept after its session ended: take a token of the present session, then send it. */
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("form[data-resend]") || form.dataset.ready) return;
    event.preventDefault();
    freshToken().catch(() => null).then(() => { form.dataset.ready = "1"; form.requestSubmit ? form.requestSubmit() : form.submit(); });
  });

  /* One click, one sending. */
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || (form.method || "get").toLowerCase() !== "post") return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "1";
    /* A file is saved and the page stays: the form may soon be sent for another one. */
    window.setTimeout(() => { delete form.dataset.sent; }, "download" in form.dataset ? 800 : 4000);
  });
  window.addEventListener("pageshow", () => $$("form[data-sent]").forEach((form) => { delete form.dataset.sent; }));

  /* ---------------------------------------------------------------- keyboard and menus */
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && !typing(event.target)) {
      const search = $("[data-quick-search]");
      if (search) { event.preventDefault(); search.focus(); search.select(); }
    }
    if (event.key === "Escape") {
      const open = event.target.closest ? event.target.closest("details[data-menu][open]") : null;
      if (open) { open.open = false; $("summary", open).focus(); }
    }
  });
  document.addEventListener("click", (event) => {
    $$("details[data-menu][open]").forEach((menu) => { if (!menu.contains(event.target)) menu.open = false; });
    const toggle = event.target.closest("[data-menu-toggle]");
    if (toggle) {
      const bar = toggle.closest("[data-menu-bar]");
      const open = !bar.hasAttribute("data-open");
      bar.toggleAttribute("data-open", open);
      toggle.setAttribute("aria-expanded", String(open));
    }
  });
  document.addEventListener("focusin", (event) => {
    $$("details[data-menu][open]").forEach((menu) => { if (!menu.contains(event.target)) menu.open = false; });
  });

  /* ---------------------------------------------------------------- dialogs */
  /* One dialog serves many rows: its opener says what the form acts on and whom the title speaks of. */
  function aim(dialog, { dialogAction, dialogSubject }) {
    const form = $("form", dialog);
    if (form && dialogAction) form.action = dialogAction;
    $$("[data-dialog-subject]", dialog).forEach((place) => { place.textContent = dialogSubject || ""; });
    $$("[data-dialog-body], [data-dialog-messages]", dialog).forEach((place) => place.replaceChildren());
    const title = document.title; /* a form shown in the window may name itself there */
    dialog.addEventListener("close", () => { document.title = title; }, { once: true });
  }
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-dialog]");
    if (opener) {
      const dialog = document.getElementById(opener.dataset.dialog);
      if (dialog && dialog.showModal && !event.ctrlKey && !event.metaKey && !event.shiftKey) { event.preventDefault(); aim(dialog, opener.dataset); dialog.showModal(); }
      return;
    }
    const closer = event.target.closest("[data-dialog-close]");
    const closed = closer && closer.closest("dialog");
    if (closed) { event.preventDefault(); closed.close(); return; }
    if (event.target.matches && event.target.matches("dialog.dialog[open]")) {
      const box = event.target.getBoundingClientRect();
      const inside = event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
      if (!inside && event.detail > 0) event.target.close();
    }
  });

  /* All the boxes of a group, or none: the link does the same by asking the page again, which forgets what else was typed. */
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-check]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const boxes = $$(`input[type="checkbox"][name="${link.dataset.check}"]`);
    boxes.forEach((box) => { box.checked = Boolean(link.dataset.checkTo); });
    if (boxes.length) boxes[0].dispatchEvent(new Event("change", { bubbles: true }));
  });

  /* ---------------------------------------------------------------- tables */
  document.addEventListener("click", (event) => {
    const row = event.target.closest("tr[data-href]");
    if (!row || event.target.closest("a, button, input, select, textarea, label, summary") || String(window.getSelection())) return;
    if (event.ctrlKey || event.metaKey) window.open(row.dataset.href, "_blank", "noopener");
    else window.location.assign(row.dataset.href);
  });
  function fitTables(root = document) {
    $$(".table-box", root).forEach((box) => {
      box.classList.remove("overflows");
      const wide = box.scrollWidth > box.clientWidth + 1;
      box.classList.toggle("overflows", wide);
      if (wide) box.setAttribute("tabindex", "0"); else box.removeAttribute("tabindex");
    });
  }
  window.addEventListener("resize", () => fitTables());

  /* ---------------------------------------------------------------- social security number (NIR) */
  const bare = (text) => text.replace(/[^0-9A-Za-z]/g, "").toUpperCase();
  function grouped(text) {
    const raw = bare(text);
    const parts = [];
    let from = 0;
    for (const size of [1, 2, 2, 2, 3, 3]) {
      if (from >= raw.length) break;
      parts.push(raw.slice(from, from + size));
      from += size;
    }
    if (from < raw.length) parts.push(raw.slice(from));
    return parts.join(" ");
  }
  /* The rule of the key: 97 minus the remainder of the number by 97; Corsica counts 2A as 19 and 2B as 18. */
  function nirKey(number) {
    if (!/^\d{5}(\d\d|2A|2B)\d{6}$/.test(number)) return null;
    const value = Number(number.replace("2A", "19").replace("2B", "18"));
    return String(97 - (value % 97)).padStart(2, "0");
  }
  /* What the server would refuse of the number (app/core/nir/number.py), as far as it can be told; a number being typed is not too short. */
  function nirProblem(number, typing) {
    const month = Number(number.slice(3, 5));
    if (/[^0-9AB]/.test(number)) return "characters";
    if (number.length > 13 ? !typing || number.length > 15 : number.length < 13 && !typing) return "length";
    if (number && !/^[123478]/.test(number)) return "first";
    if (/^[1-4]..\d\d/.test(number) && !((month >= 1 && month <= 12) || (month >= 20 && month <= 42) || month >= 50)) return "month";
    return number.length === 13 && nirKey(number) === null ? "characters" : "";
  }
  function checkNir(pair) {
    const number = bare($("[data-nir]", pair).value);
    const key = bare($("[data-nir-key]", pair).value);
    const result = $("[data-nir-result]", pair);
    const typing = (selector) => document.activeElement === $(selector, pair);
    const said = { characters: "nirCharacters", length: "nirLength", first: "nirFirst", month: "nirMonth", key: "nirKeyFormat" };
    let problem = number ? nirProblem(number, typing("[data-nir]")) : "";
    const judged = !problem && number.length === 13;
    if (judged && (/\D/.test(key) || key.length > 2 || (key.length === 1 && !typing("[data-nir-key]")))) problem = "key";
    const complete = judged && !problem && key.length === 2;
    const good = complete && nirKey(number) === key;
    const sentence = problem ? pair.dataset[said[problem]] : good ? pair.dataset.nirGood : complete ? pair.dataset.nirBad : "";
    if (result.textContent !== sentence) result.textContent = sentence;
    result.classList.toggle("good", good);
    result.classList.toggle("bad", !good && sentence !== "");
    pair.dispatchEvent(new CustomEvent("portal:nir", { bubbles: true, detail: { complete, good } }));
  }
  function setUpNir(root) {
    $$("[data-nir]", root).forEach((input) => {
      if (input.dataset.ready) return;
      input.dataset.ready = "1";
      const pair = input.closest("[data-nir-pair]");
      const regroup = () => {
        const caretAtEnd = input.selectionStart === input.value.length;
        let raw = bare(input.value);
        const split = pair && raw.length === 15;
        if (split) { $("[data-nir-key]", pair).value = raw.slice(13); raw = raw.slice(0, 13); }
        if (split || caretAtEnd || document.activeElement !== input) input.value = grouped(raw);
      };
      input.addEventListener("input", () => { regroup(); if (pair) checkNir(pair); });
      input.addEventListener("blur", () => { input.value = grouped(input.value); if (pair) checkNir(pair); });
      if (input.value) input.value = grouped(input.value);
      if (input.form) input.form.addEventListener("formdata", (event) => event.formData.set(input.name, bare(input.value)));
      if (pair) ["input", "blur"].forEach((name) => $("[data-nir-key]", pair).addEventListener(name, () => checkNir(pair)));
    });
  }

  /* ---------------------------------------------------------------- dates */
  const day = (year, month, date) => new Date(year, month, date, 12);
  const pad = (number) => String(number).padStart(2, "0");
  const written = (date) => `${pad(date.getDate())}/${pad(date.getMonth() + 1)}/${date.getFullYear()}`;
  function read(text) {
    const match = /^\s*(\d{1,2})[/.\- ](\d{1,2})[/.\- ](\d{4})\s*$/.exec(text) || /^\s*(\d{2})(\d{2})(\d{4})\s*$/.exec(text);
    if (!match) return null;
    const date = day(Number(match[3]), Number(match[2]) - 1, Number(match[1]));
    return date.getDate() === Number(match[1]) && date.getMonth() === Number(match[2]) - 1 ? date : null;
  }
  const longDate = new Intl.DateTimeFormat(lang, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
  const monthName = new Intl.DateTimeFormat(lang, { month: "long", year: "numeric" });
  const dayName = new Intl.DateTimeFormat(lang, { weekday: "short" });
  const dayLongName = new Intl.DateTimeFormat(lang, { weekday: "long" });
  let openCalendar = null;

  function closeCalendar(refocus) {
    if (!openCalendar) return;
    const { box, button } = openCalendar;
    openCalendar = null;
    box.remove();
    button.setAttribute("aria-expanded", "false");
    if (refocus) button.focus();
  }
  function drawCalendar(state, focusDay) {
    const { box, input, button } = state;
    const chosen = read(input.value);
    const now = new Date();
    const first = day(state.at.getFullYear(), state.at.getMonth(), 1);
    const start = day(first.getFullYear(), first.getMonth(), 1 - ((first.getDay() + 6) % 7));
    const move = (months) => { const target = day(state.at.getFullYear(), state.at.getMonth() + months, 1); const last = day(target.getFullYear(), target.getMonth() + 1, 0).getDate(); state.at = day(target.getFullYear(), target.getMonth(), Math.min(state.at.getDate(), last)); };
    const choose = (date) => {
      input.value = written(date);
      input.dispatchEvent(new Event("input", { bubbles: true }));
      input.dispatchEvent(new Event("change", { bubbles: true }));
      closeCalendar(true);
    };
    const arrow = (label, mark, months) => {
      const item = make("button", { type: "button", class: "button button-quiet button-small" }, make("span", { "aria-hidden": "true" }, mark), make("span", { class: "sr-only" }, label));
      item.addEventListener("click", () => { move(months); drawCalendar(state, false); $(months < 0 ? "button:first-child" : "button:last-child", $(".calendar-head", box)).focus(); });
      return item;
    };
    const heads = [...Array(7).keys()].map((index) => { const date = day(2024, 0, 1 + index); return make("th", { scope: "col", abbr: dayLongName.format(date) }, dayName.format(date)); });
    const weeks = [];
    for (let week = 0; week < 6; week += 1) {
      const cells = [];
      for (let index = 0; index < 7; index += 1) {
        const date = day(start.getFullYear(), start.getMonth(), start.getDate() + week * 7 + index);
        if (date.getMonth() !== first.getMonth()) { cells.push(make("td", {})); continue; }
        const here = date.toDateString() === state.at.toDateString();
        const item = make("button", {
          type: "button", tabindex: here ? "0" : "-1", "aria-label": longDate.format(date),
          "aria-pressed": String(Boolean(chosen) && chosen.toDateString() === date.toDateString()),
          class: date.toDateString() === now.toDateString() ? "today" : null, "aria-current": date.toDateString() === now.toDateString() ? "date" : null,
          "data-here": here,
        }, String(date.getDate()));
        item.addEventListener("click", () => choose(date));
        cells.push(make("td", {}, item));
      }
      if (cells.some((cell) => cell.firstChild)) weeks.push(make("tr", {}, ...cells));
    }
    const titleId = `${input.id}-calendar`;
    const table = make("table", { "aria-labelledby": titleId }, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...weeks));
    table.addEventListener("keydown", (event) => {
      const shift = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -7, ArrowDown: 7 }[event.key];
      const weekday = (state.at.getDay() + 6) % 7;
      if (shift) state.at = day(state.at.getFullYear(), state.at.getMonth(), state.at.getDate() + shift);
      else if (event.key === "Home") state.at = day(state.at.getFullYear(), state.at.getMonth(), state.at.getDate() - weekday);
      else if (event.key === "End") state.at = day(state.at.getFullYear(), state.at.getMonth(), state.at.getDate() + 6 - weekday);
      else if (event.key === "PageUp") move(event.shiftKey ? -12 : -1);
      else if (event.key === "PageDown") move(event.shiftKey ? 12 : 1);
      else return;
      event.preventDefault();
      drawCalendar(state, true);
    });
    const today = make("button", { type: "button", class: "button button-quiet button-small" }, say("today"));
    today.addEventListener("click", () => choose(day(now.getFullYear(), now.getMonth(), now.getDate())));
    const close = make("button", { type: "button", class: "button button-quiet button-small" }, say("close"));
    close.addEventListener("click", () => closeCalendar(true));
    box.replaceChildren(
      make("div", { class: "calendar-head" }, arrow(say("previousMonth"), "‹", -1), make("h2", { id: titleId, "aria-live": "polite" }, monthName.format(first)), arrow(say("nextMonth"), "›", 1)),
      table,
      make("div", { class: "calendar-foot" }, today, close),
    );
    button.setAttribute("aria-expanded", "true");
    if (focusDay) { const target = $("button[data-here]", box); if (target) target.focus(); }
  }
  function setUpDates(root) {
    $$("[data-date-control]", root).forEach((control) => {
      if (control.dataset.ready) return;
      control.dataset.ready = "1";
      const input = $("input", control);
      const button = $("[data-date-open]", control);
      button.hidden = false;
      button.setAttribute("aria-haspopup", "dialog");
      button.setAttribute("aria-expanded", "false");
      button.addEventListener("click", () => {
        if (openCalendar && openCalendar.input === input) { closeCalendar(true); return; }
        closeCalendar(false);
        const box = make("div", { class: "calendar", role: "dialog", "aria-label": say("choose") });
        control.append(box);
        const now = new Date();
        openCalendar = { box, input, button, at: read(input.value) || day(now.getFullYear(), now.getMonth(), now.getDate()) };
        drawCalendar(openCalendar, true);
      });
      control.addEventListener("keydown", (event) => { if (event.key === "Escape" && openCalendar) { event.stopPropagation(); closeCalendar(true); } });
      input.addEventListener("blur", () => { const date = read(input.value); if (date) input.value = written(date); });
    });
  }
  document.addEventListener("click", (event) => { if (openCalendar && event.target.isConnected && !openCalendar.box.parentElement.contains(event.target)) closeCalendar(false); });
  document.addEventListener("focusin", (event) => { if (openCalendar && !openCalendar.box.parentElement.contains(event.target)) closeCalendar(false); });

  /* ---------------------------------------------------------------- search as you type */
  const plain = (text) => text.normalize("NFD").replace(/[\u0300-\u036f]/g, "").toLowerCase();
  let comboNumber = 0;
  /* The number of a person goes into no address (app/core/nir/text.py). */
  const numberOfPerson = /(?:^|[^0-9A-Za-z])[1-478](?:[\s.\-/_]?[0-9]){4}[\s.\-/_]?(?:[0-9]{2}|2[ABab])(?:[\s.\-/_]?[0-9]){6}(?:(?:[\s.\-/_]?[0-9]){2})?(?![0-9A-Za-z])/;
  function combobox(control) {
    if (control.dataset.ready) return;
    control.dataset.ready = "1";
    const select = control.tagName === "SELECT" ? control : null;
    const url = control.dataset.comboboxUrl;
    comboNumber += 1;
    const listId = `combobox-${comboNumber}`;
    const input = select ? make("input", { type: "text", class: select.className.replace("select", ""), id: select.id, "aria-describedby": select.getAttribute("aria-describedby"), "aria-invalid": select.getAttribute("aria-invalid"), required: select.required }) : control;
    const wrap = make("div", { class: "combobox" });
    control.before(wrap);
    if (select) {
      input.value = select.selectedOptions[0] && select.value ? select.selectedOptions[0].textContent.trim() : "";
      select.removeAttribute("id");
      select.hidden = true;
      wrap.append(input, select);
    } else wrap.append(input);
    const list = make("ul", { class: "combobox-list", id: listId, role: "listbox", hidden: true, "aria-label": say("matches", { count: "" }).trim() || "…" });
    const status = make("p", { class: "sr-only", role: "status" });
    wrap.append(list, status);
    for (const [name, value] of Object.entries({ role: "combobox", autocomplete: "off", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": listId })) input.setAttribute(name, value);
    let items = [];
    let at = -1;
    let timer = 0;
    const hide = () => { list.hidden = true; at = -1; input.setAttribute("aria-expanded", "false"); input.removeAttribute("aria-activedescendant"); };
    const mark = (index) => {
      at = index;
      $$("li", list).forEach((node, position) => node.setAttribute("aria-selected", String(position === index)));
      const node = list.children[index];
      if (node) { input.setAttribute("aria-activedescendant", node.id); node.scrollIntoView({ block: "nearest" }); }
    };
    const take = (item) => {
      input.value = item.label;
      if (select) { select.value = item.value; select.dispatchEvent(new Event("change", { bubbles: true })); }
      else input.dispatchEvent(new CustomEvent("portal:chosen", { bubbles: true, detail: item }));
      hide();
    };
    const show = (found) => {
      items = found.slice(0, 50);
      list.replaceChildren(...items.map((item, index) => {
        const node = make("li", { id: `${listId}-${index}`, role: "option", "aria-selected": "false" }, item.label);
        node.addEventListener("mousedown", (event) => { event.preventDefault(); take(item); });
        return node;
      }));
      if (!items.length) list.replaceChildren(make("li", { class: "combobox-none", role: "option", "aria-disabled": "true", "aria-selected": "false" }, say("noMatch")));
      status.textContent = items.length ? say("matches", { count: String(found.length) }) : say("noMatch");
      list.hidden = false;
      input.setAttribute("aria-expanded", "true");
      at = -1;
    };
    const find = () => {
      const text = input.value.trim();
      if (url) {
        window.clearTimeout(timer);
        if (text.length < 2 || numberOfPerson.test(text)) { hide(); return; }
        timer = window.setTimeout(async () => {
          const address = new URL(url, window.location.href);
          address.searchParams.set("q", text);
          try {
            const answer = await fetch(address, { headers: { Accept: "application/json" }, credentials: "same-origin" });
            if (answer.status === 401) { sessionExpired(); return; }
            if (answer.ok && input.value.trim() === text) show(await answer.json());
          } catch { hide(); }
        }, 200);
        return;
      }
      const wanted = plain(text).split(/\s+/);
      show([...select.options].filter((option) => option.value).map((option) => ({ value: option.value, label: option.textContent.trim() })).filter((item) => wanted.every((word) => plain(item.label).includes(word))));
    };
    input.addEventListener("input", () => { if (select && !input.value.trim()) { select.value = ""; } find(); });
    input.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        if (list.hidden) { find(); return; }
        if (items.length) mark((at + (event.key === "ArrowDown" ? 1 : -1) + items.length) % items.length);
      } else if (event.key === "Enter" && !list.hidden && at >= 0) { event.preventDefault(); take(items[at]); }
      else if (event.key === "Escape" && !list.hidden) { event.stopPropagation(); hide(); }
    });
    input.addEventListener("blur", () => {
      hide();
      if (!select) return;
      const exact = [...select.options].find((option) => option.value && plain(option.textContent.trim()) === plain(input.value.trim()));
      if (exact) { select.value = exact.value; input.value = exact.textContent.trim(); }
      else if (!input.value.trim()) select.value = "";
      else input.value = select.value ? select.selectedOptions[0].textContent.trim() : "";
    });
  }

  /* ---------------------------------------------------------------- drafts and unsaved changes */
  /* Where a form is kept as it is typed: a wizard says so; an edit page by its sealed word, but for the page that asks what to keep of two. */
  function keptAt(form) {
    const page = $('input[name="row_base"], input[name="row_kept"]', form) && $('input[name="row_page"]', form);
    return form.dataset.draft || (page && page.value && !$('[name^="choice-"]', form) && body.dataset.pageDraftUrl) || null;
  }
  /* Without the files, which go once, with the form, and without passwords, which are kept nowhere. The token goes beside, as it is by then. */
  function typedInto(form) {
    const typed = new FormData(form);
    typed.delete("csrf_token");
    [...typed].forEach(([name, value]) => { if (value instanceof File) typed.delete(name); });
    $$('input[type="password"]', form).forEach((input) => typed.delete(input.name));
    if (!form.dataset.draft) typed.set("row_path", new URL(form.getAttribute("action") || window.location.href, window.location.href).pathname);
    return typed;
  }
  function setUpForms(root) {
    const forms = $$("form", root).filter((form) => "unsaved" in form.dataset || keptAt(form));
    forms.forEach((form) => {
      if (form.dataset.watched) return;
      form.dataset.watched = "1";
      const address = keptAt(form);
      const state = make("p", { class: "draft-state", role: "status" });
      const actions = $(".form-actions", form);
      if (actions) actions.before(state); else form.append(state);
      let timer = 0;
      let changes = 0;
      let saving = null;
      let kept = null;
      const written = () => new URLSearchParams([...typedInto(form)]).toString();
      const refused = (answer) => answer.status === 401 || answer.status === 419 || answer.redirected;
      const save = async (leaving) => {
        window.clearTimeout(timer);
        timer = 0;
        if (saving && !leaving) await saving; // one after the other: what was typed last stays
        const upTo = changes;
        const now = written();
        const send = () => fetch(address, { method: "POST", body: typedInto(form), headers: { "X-CSRFToken": token(), Accept: "application/json" }, credentials: "same-origin", keepalive: Boolean(leaving) });
        saving = (async () => {
          try {
            let answer = await send();
            if (refused(answer) && (await signedInAgain())) answer = await send();
            if (refused(answer)) { sessionExpired(); throw new Error(String(answer.status)); }
            if (!answer.ok) throw new Error(String(answer.status));
            kept = now;
            if (changes === upTo) delete form.dataset.dirty;
            state.textContent = say("draftSaved", { time: new Intl.DateTimeFormat(lang, { hour: "2-digit", minute: "2-digit" }).format(new Date()) });
          } catch { state.textContent = say("draftUnsaved"); }
        })();
        await saving;
      };
      const touched = () => {
        window.clearTimeout(timer);
        timer = 0;
        changes += 1;
        if (kept !== null && kept === written()) { delete form.dataset.dirty; return; } // leaving a field says again what was typed in it
        form.dataset.dirty = "1";
        if (address) timer = window.setTimeout(() => save(), 1500);
      };
      ["input", "change", "portal:chosen"].forEach((name) => form.addEventListener(name, touched));
      form.addEventListener("portal:keep", () => { if (address) save(); });
      form.addEventListener("submit", () => { window.clearTimeout(timer); timer = 0; delete form.dataset.dirty; });
      /* A page that is closed or put aside at once takes its last words along. */
      const aside = () => { if (timer && form.isConnected) { sessionStorage.setItem(LEFT + window.location.pathname, String(Date.now())); save(true); } };
      document.addEventListener("visibilitychange", () => { if (document.visibilityState === "hidden") aside(); });
      window.addEventListener("pagehide", aside);
    });
  }
  window.addEventListener("beforeunload", (event) => { if ($("form[data-unsaved][data-dirty]")) event.preventDefault(); });
  /* Back on the page sooner than its last words were kept: they are on their way, and it is shown again once they are offered. */
  const LEFT = "left:";
  async function backTooSoon() {
    const place = LEFT + window.location.pathname;
    const since = Date.now() - Number(sessionStorage.getItem(place));
    sessionStorage.removeItem(place);
    if (since > 10000) return;
    for (const pause of [300, 700, 2000]) {
      await new Promise((done) => window.setTimeout(done, pause));
      if ($("#drop-page-draft") || $("form[data-dirty]")) return;
      try {
        const answer = await fetch(window.location.href, { headers: { Accept: "text/html" }, credentials: "same-origin" });
        if (answer.redirected || !answer.ok) return;
        if ($("#drop-page-draft", new DOMParser().parseFromString(await answer.text(), "text/html"))) { window.location.reload(); return; }
      } catch { return; }
    }
  }

  /* ---------------------------------------------------------------- who else modifies this */
  /* The page says that it is used while it is looked at and worked in: one left open does not keep a session alive. */
  const IN_USE = 5 * 60 * 1000;
  function setUpPresence(root) {
    $$("[data-presence]", root).forEach((box) => {
      if (box.dataset.ready) return;
      box.dataset.ready = "1";
      let used = Date.now();
      let last = Date.now();
      const facts = (more = {}) => { const data = new FormData(); for (const [name, value] of Object.entries({ row_page: box.dataset.presencePage, csrf_token: token(), ...more })) data.set(name, value); return data; };
      const ask = async () => {
        if (!box.isConnected) { window.clearInterval(timer); return; }
        if (document.visibilityState !== "visible" || Date.now() - used > IN_USE || expired) return;
        last = Date.now();
        try {
          const answer = await fetch(box.dataset.presence, { method: "POST", body: facts(), headers: { "X-CSRFToken": token(), "HX-Request": "true" }, credentials: "same-origin" });
          if (answer.status !== 200) return;
          const part = new DOMParser().parseFromString(await answer.text(), "text/html").body;
          if (part.textContent.trim() !== box.textContent.trim()) box.replaceChildren(...[...part.childNodes].map((node) => document.importNode(node, true)));
        } catch { /* it is only a comfort */ }
      };
      const timer = window.setInterval(ask, 15000);
      const now = () => { used = Date.now(); if (used - last > 15000) ask(); };
      document.addEventListener("input", now);
      document.addEventListener("visibilitychange", () => { if (document.visibilityState === "visible") now(); });
      window.addEventListener("pagehide", () => { if (box.isConnected && navigator.sendBeacon) navigator.sendBeacon(box.dataset.presence, facts({ left: "1" })); });
    });
  }

  /* ---------------------------------------------------------------- live parts (htmx) */
  document.addEventListener("htmx:configRequest", (event) => { if (event.detail.verb !== "get") event.detail.headers["X-CSRFToken"] = token(); });
  /* A form sent back with its errors, or with a conflict, is an answer to show. */
  document.addEventListener("htmx:beforeSwap", (event) => {
    if ([409, 422].includes(event.detail.xhr.status)) { event.detail.shouldSwap = true; event.detail.isError = false; }
  });
  /* What was to fill a dialog did not come: the message is on the page behind. */
  const closeEmpty = () => $$("dialog[open]").forEach((one) => { const place = $("[data-dialog-body]", one); if (place && !place.firstElementChild) one.close(); });
  document.addEventListener("htmx:responseError", (event) => {
    const answer = event.detail.xhr;
    closeEmpty();
    if (answer.status === 401 || answer.status === 419) { sessionExpired(); return; }
    const parsed = new DOMParser().parseFromString(answer.responseText || "", "text/html").querySelector(".alert");
    const box = messageBox();
    if (!parsed || !box) { notice(say("serverError")); return; }
    box.replaceChildren();
    show(document.importNode(parsed, true), box);
  });
  document.addEventListener("htmx:sendError", () => { closeEmpty(); notice(say("networkError")); });
  document.addEventListener("htmx:timeout", () => { closeEmpty(); notice(say("networkError")); });

  /* ---------------------------------------------------------------- start, and again in every part that arrives */
  function setUp(root = document) {
    setUpNir(root);
    setUpDates(root);
    setUpForms(root);
    setUpPresence(root);
    $$("[data-combobox], [data-combobox-url]", root).forEach(combobox);
    $$("tr[data-href]", root).forEach((row) => row.classList.add("row-link"));
    fitTables(root);
    const summary = $("[data-autofocus]", root);
    if (summary) summary.focus();
  }
  document.addEventListener("htmx:load", (event) => {
    const part = event.detail.elt;
    if (part === body) return;
    setUp(part);
    const first = part.closest("dialog[open]") && !$("[data-autofocus]", part) && $("input:not([type=hidden]), select, textarea", part);
    if (first) first.focus();
    else if (part.id === "content") part.focus();
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest(".error-summary a[href^='#']");
    if (!link) return;
    const target = document.getElementById(link.hash.slice(1));
    if (target) { event.preventDefault(); target.focus(); target.scrollIntoView({ block: "center" }); }
  });
  $$("[data-print]").forEach((button) => button.addEventListener("click", () => window.print()));
  setUp();
  backTooSoon();
  /* What an act did is where the keyboard goes on from. */
  const told = $("#messages .alert");
  if (told && document.activeElement === body) { told.tabIndex = -1; told.focus({ preventScroll: true }); }
})();
