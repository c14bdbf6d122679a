// Events of files, for inotify(7): operations tell what they did, watches on vnodes hear of it.

import type { Path } from "./path.ts";
import type { Vnode } from "./vnode.ts";

/** Event bits (inotify(7)). */
export const Event = {
  access: 0x1,
  modify: 0x2,
  attributes: 0x4,
  closeWrite: 0x8,
  closeNoWrite: 0x10,
  open: 0x20,
  movedFrom: 0x40,
  movedTo: 0x80,
  create: 0x100,
  delete: 0x200,
  deleteSelf: 0x400,
  moveSelf: 0x800,
  directory: 0x4000_0000,
} as const;

/** Hears of events: `name` is that of the child when a directory is watched. */
export type Listener = (event: number, name: string, cookie: number) => void;

const listeners = new WeakMap<Vnode, Set<Listener>>();
let active = 0;
let cookies = 0;

/** Listens to a vnode until the returned function is called. */
export function listen(vnode: Vnode, listener: Listener): () => void {
  let set = listeners.get(vnode);
  if (!set) listeners.set(vnode, (set = new Set()));
  set.add(listener);
  active++;
  return () => {
    if (set.delete(listener)) active--;
  };
}

/** True if anything listens anywhere: lets hot paths skip the rest. */
export function anyListener(): boolean {
  return active > 0;
}

/** A number that ties the two halves of a rename together. */
export function nextCookie(): number {
  return ++cookies;
}

/** Tells of an event at a vnode itself. */
export function tell(vnode: Vnode, event: number, name = "", cookie = 0): void {
  if (active === 0) return;
  const set = listeners.get(vnode);
  if (set) for (const listener of [...set]) listener(event, name, cookie);
}

/** Tells of an event at a path: to those who watch it and to those who watch its directory. */
export function tellAt(path: Path | undefined, event: number): void {
  if (active === 0 || path === undefined) return;
  const bits = path.vnode.type === 0o40000 ? event | Event.directory : event;
  tell(path.vnode, bits);
  if (path.parent && !path.removed) tell(path.parent.vnode, bits, path.name);
}
