// The link that opened the page, `/#token=…&room=…`, and the little this tab remembers.

/** Remembers `value` under `key` for this tab, if one is given, and tells what is remembered. */
export function remember(key, value) {
  try {
    if (value !== undefined) sessionStorage.setItem(`rt.${key}`, value ?? "");
    return sessionStorage.getItem(`rt.${key}`);
  } catch {
    return value ?? null; // no storage here: the link works until the page is reloaded
  }
}

export function readLink() {
  const hash = new URLSearchParams(location.hash.slice(1));
  if (!hash.get("token")) {
    return { token: remember("token"), room: history.state ? history.state.room : remember("room") };
  }
  const link = { token: remember("token", hash.get("token")), room: hash.get("room") };
  remember("room", link.room);
  history.replaceState({ room: link.room }, "", location.pathname); // the token must not stay in the address bar
  return link;
}
