// The mounts of a name space as /proc/mounts and /proc/self/mountinfo show them (fstab(5), proc_pid_mountinfo(5)).

import type { Process } from "../../kernel/process.ts";
import { majorOf, minorOf } from "../../kernel/vfs/devices.ts";
import { type Mount, pathName } from "../../kernel/vfs/path.ts";

/** Blanks in names are written in octal. */
const escaped = (text: string) =>
  text.replace(/[ \t\n\\]/g, (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, "0")}`);

function visible(process: Process): { mount: Mount; at: string }[] {
  const { root } = process.fs;
  const found: { mount: Mount; at: string }[] = [];
  for (const mount of root.mount.space.mounts) {
    const at = pathName(mount.root, root);
    if (at !== undefined) found.push({ mount, at: escaped(at) });
  }
  return found;
}

const optionsOf = ({ readOnly, fileSystem }: Mount) => `${readOnly || fileSystem.readOnly ? "ro" : "rw"},relatime`;

export function mountTable(process: Process, _reader: Process): string {
  return visible(process)
    .map(({ mount, at }) => `${escaped(mount.source)} ${at} ${mount.fileSystem.name} ${optionsOf(mount)} 0 0\n`)
    .join("");
}

export function mountInfo(process: Process, _reader: Process): string {
  return visible(process)
    .map(({ mount, at }) => {
      const { device, name } = mount.fileSystem;
      const above = mount.covers?.mount.id ?? mount.id;
      const number = `${majorOf(device)}:${minorOf(device)}`;
      const options = optionsOf(mount);
      return `${mount.id} ${above} ${number} ${escaped(mount.subtree === "." ? "/" : mount.subtree)} ${at} ${options} - ${name} ${escaped(mount.source)} ${options.slice(0, 2)}\n`;
    })
    .join("");
}
