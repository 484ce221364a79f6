// Mutes and acknowledgements from the page. They need `http.write_token`, which the page asks for once in each tab and keeps
// while the tab is open.

import { toast } from "./actions.js?v=HASH";
import { send } from "./daemon.js?v=HASH";
import { byId, el, isolated } from "./dom.js?v=HASH";

const TOKEN = "watcher.write_token", BY = "watcher.by";
const TIMES = { "30m": "30 minutes", "1h": "1 hour", "2h": "2 hours", "8h": "8 hours", "1d": "1 day", "3d": "3 days", "7d": "7 days" };

const dialog = byId("form");

const field = (label, control) => el("label", {}, el("span", {}, label), control);
const input = (name, attributes = {}) => el("input", { name, autocomplete: "off", ...attributes });

export class Forms {
  /** Whether the daemon has a write token. */
  writable = false;
  #changed;

  /** `changed` is called after a change. */
  constructor(changed) {
    this.#changed = changed;
    dialog.addEventListener("click", ({ target }) => (target === dialog || target.closest("[data-cancel]")) && dialog.close());
  }

  mute({ id, title }) {
    this.#open(["Mute ", isolated(title)], "Mute", [
      field("Targets (a glob of their IDs)", input("targets", { required: true, value: id, spellcheck: "false" })),
      field("For", el("select", { name: "for" }, Object.entries(TIMES).map(([value, word]) => el("option", { value, selected: value === "2h" }, word)))),
      field("Reason", input("reason", { required: true, maxlength: "500", autofocus: true })),
      field("Events (a glob of their types; empty: all)", input("events", { placeholder: "sync.failed", spellcheck: "false" })),
    ], async ({ targets, events, reason, by, ...rest }) => {
      await this.#send("POST", "api/mutes", { targets: [targets], ...(events ? { events: [events] } : {}), for: rest.for, reason, by });
      return `Muted for ${TIMES[rest.for]}: ${targets}`;
    });
  }

  acknowledge({ title, incident }) {
    this.#open(["Acknowledge the incident of ", isolated(title)], "Acknowledge", [
      el("p", { class: "dim" }, "No reminders are sent until it ends. Its end is still sent."),
      field("Note (optional)", input("note", { maxlength: "500", autofocus: true })),
    ], async ({ note, by }) => {
      await this.#send("POST", `api/incidents/${incident.id}/ack`, { by, ...(note ? { note } : {}) });
      return `Acknowledged: ${title}`;
    });
  }

  unmute(id) {
    this.#open(["End this mute now"], "End the mute", [
      el("p", { class: "dim" }, "Problems that it held back, and that still last, are sent."),
    ], async ({ by }) => {
      await this.#send("DELETE", `api/mutes/${encodeURIComponent(id)}?${new URLSearchParams({ by })}`);
      return "The mute has ended";
    });
  }

  /** Ask for what is needed; `submit` gets the values, and returns what to say once it is done. */
  #open(title, word, fields, submit) {
    const known = sessionStorage.getItem(TOKEN) !== null;
    const token = field("Write token (http.write_token), kept in this tab only",
      input("token", { type: "password", required: !known, autocomplete: "off" }));
    token.hidden = known;
    const by = field("Your name", input("by", { required: true, maxlength: "128", value: sessionStorage.getItem(BY) ?? "" }));
    const error = el("p", { class: "problem", role: "alert" });
    const button = el("button", { type: "submit", class: "main" }, word);
    const form = el("form", { method: "dialog" }, el("h2", { id: "form-title" }, ...title), fields, by, token, error,
      el("p", { class: "buttons" }, el("button", { type: "button", class: "plain", "data-cancel": true }, "Cancel"), button));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const values = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, value.trim()]));
      if (values.token) sessionStorage.setItem(TOKEN, values.token);
      if (values.by) sessionStorage.setItem(BY, values.by);
      button.disabled = true;
      error.textContent = "";
      try {
        toast(await submit(values));
        dialog.close();
        this.#changed();
      } catch (failure) {
        error.textContent = failure.message;
        if ([401, 403].includes(failure.status)) {
          sessionStorage.removeItem(TOKEN);
          token.hidden = false;
          Object.assign(token.querySelector("input"), { required: true, value: "" }).focus();
        }
      } finally {
        button.disabled = false;
      }
    });
    dialog.replaceChildren(form);
    dialog.showModal();
  }

  #send(method, path, body) {
    return send(method, path, sessionStorage.getItem(TOKEN) ?? "", body);
  }
}
