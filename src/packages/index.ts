// The packages layer: from .deb files, pools and repositories to a root image.

export { type ArchiveEntry, type EntryType, MemoryEntry } from "./archive.ts";
export type { Mirror } from "./apt.ts";
export { buildImage, type RootImage } from "./image.ts";
export type { MaintainerCommand } from "./maintainer.ts";
export { type Architecture, type PreparedRoot, prepareRoot, type RootRequest } from "./prepare.ts";
export { chooseProgram, programPath, programsOf } from "./programs.ts";
export type { Candidate, PackageSource, Progress } from "./source.ts";
export { PackageStore, type StoredPackage } from "./store.ts";
