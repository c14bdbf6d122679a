// What /proc tells of the machine as a whole (proc(5)). Nothing of the host shows through.

import { hexBytes } from "../../base/text.ts";
import { EINVAL } from "../../kernel/errno.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { fileSystemsOf } from "../../kernel/vfs/filesystems.ts";
import type { Vnode } from "../../kernel/vfs/vnode.ts";
import { type Identity, LinkNode, table, textNode } from "./nodes.ts";

type Entries = Record<string, (identity: Identity) => Vnode>;

/** Release that uname(2) and /proc/version tell. */
export const release = "6.1.0-cerebro";
const version = "#1 SMP PREEMPT_DYNAMIC";

/** Words of CPUID's feature bits; cpu/x86/identity.ts has the bits themselves. */
const cpuFlags =
  "fpu tsc cx8 cmov clflush mmx fxsr sse sse2 syscall nx rdtscp lm constant_tsc nopl nonstop_tsc cpuid pni pclmulqdq ssse3 cx16 sse4_1 sse4_2 movbe popcnt aes lahf_lm abm 3dnowprefetch fsgsbase";

const cpuInfo = `processor\t: 0
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 44
model name\t: Cerebro
stepping\t: 2
cpu MHz\t\t: 1000.000
cache size\t: 256 KB
physical id\t: 0
siblings\t: 1
core id\t\t: 0
cpu cores\t: 1
apicid\t\t: 0
fpu\t\t: yes
fpu_exception\t: yes
cpuid level\t: 7
wp\t\t: yes
flags\t\t: ${cpuFlags}
bogomips\t: 2000.00
clflush size\t: 64
cache_alignment\t: 64
address sizes\t: 48 bits physical, 48 bits virtual
power management:

`;

/** Memory as the first contract allows it. */
function memory(kernel: Kernel): { total: number; used: number; mapped: number } {
  let total = 0;
  let used = 0;
  let mapped = 0;
  const seen = new Set<unknown>();
  for (const { contract } of kernel.processes.values()) {
    if (seen.has(contract)) continue;
    seen.add(contract);
    total = Math.max(total, contract.limits.memory);
    used += contract.used.memory;
    mapped += contract.used.mapped;
  }
  return { total: total === Infinity || total === 0 ? 4 * 2 ** 30 : total, used, mapped };
}

function memInfo(kernel: Kernel): string {
  const { total, used, mapped } = memory(kernel);
  const free = Math.max(0, total - used);
  const rows: [string, number][] = [
    ["MemTotal", total],
    ["MemFree", free],
    ["MemAvailable", free],
    ["Buffers", 0],
    ["Cached", 0],
    ["SwapCached", 0],
    ["Active", used],
    ["Inactive", 0],
    ["SwapTotal", 0],
    ["SwapFree", 0],
    ["Dirty", 0],
    ["AnonPages", used],
    ["Mapped", 0],
    ["Shmem", 0],
    ["Slab", 0],
    ["CommitLimit", total],
    ["Committed_AS", mapped],
    ["HugePages_Total", -1],
  ];
  return rows
    .map(([name, bytes]) =>
      bytes < 0
        ? `${`${name}:`.padEnd(15)} ${"0".padStart(8)}\n`
        : `${`${name}:`.padEnd(15)} ${String(Math.floor(bytes / 1024)).padStart(8)} kB\n`,
    )
    .join("");
}

function uptime(kernel: Kernel): string {
  const seconds = (kernel.now() / 1e9).toFixed(2);
  return `${seconds} ${(Math.max(0, kernel.now() - busy(kernel)) / 1e9).toFixed(2)}\n`;
}

function busy(kernel: Kernel): number {
  let time = 0;
  for (const process of kernel.processes.values()) {
    const { user, system } = process.cpuTime();
    time += user + system;
  }
  return time;
}

function systemStat(kernel: Kernel): string {
  const ticks = (nanoseconds: number) => Math.floor(nanoseconds / 1e7);
  const used = ticks(busy(kernel));
  const idle = Math.max(0, ticks(kernel.now()) - used);
  const figures = `${used} 0 0 ${idle} 0 0 0 0 0 0`;
  const boot = Number(kernel.realtime() / 1_000_000_000n) - Math.floor(kernel.now() / 1e9);
  const running = [...kernel.tasks.values()].filter(({ state }) => state === "running" || state === "ready").length;
  return `cpu  ${figures}\ncpu0 ${figures}\nintr 0\nctxt ${kernel.scheduler.switches}\nbtime ${boot}\nprocesses ${kernel.forks}\nprocs_running ${running}\nprocs_blocked 0\nsoftirq 0\n`;
}

function loadAverage(kernel: Kernel): string {
  return `0.00 0.00 0.00 ${kernel.scheduler.load}/${kernel.tasks.size} ${kernel.newestPid}\n`;
}

/** Random bytes as a version 4 UUID. */
function uuid(kernel: Kernel): string {
  const bytes = new Uint8Array(16);
  kernel.random(bytes);
  bytes[6] = (bytes[6]! & 15) | 0x40;
  bytes[8] = (bytes[8]! & 63) | 0x80;
  return hexBytes(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** A number that may be read and, by user 0, set; setting changes nothing else. */
function tunable(initial: string | number): (identity: Identity) => Vnode {
  let value = String(initial);
  return textNode(() => `${value}\n`, {
    accept: (_, text) => {
      if (!/^-?[\d\s]+$/.test(text)) throw EINVAL;
      value = text.trim();
    },
  });
}

function names(kernel: Kernel): Entries {
  return {
    hostname: textNode(() => `${kernel.names.host}\n`, { accept: (_, text) => void (kernel.names.host = text.trim()) }),
    domainname: textNode(() => `${kernel.names.domain}\n`, {
      accept: (_, text) => void (kernel.names.domain = text.trim()),
    }),
  };
}

/** /proc/sys. */
function settings(kernel: Kernel): Entries {
  const bootId = uuid(kernel);
  const rows = (entries: Entries) => (at: Identity) => table(at, entries);
  const fixed = (text: string | number) => textNode(() => `${text}\n`);
  return {
    kernel: rows({
      ...names(kernel),
      ostype: fixed("Linux"),
      osrelease: fixed(release),
      version: fixed(version),
      pid_max: fixed(32768),
      "threads-max": fixed(32768),
      ngroups_max: fixed(65536),
      cap_last_cap: fixed(40),
      core_pattern: tunable("core"),
      core_uses_pid: fixed(0),
      overflowuid: fixed(65534),
      overflowgid: fixed(65534),
      panic: fixed(0),
      printk: fixed("4\t4\t1\t7"),
      dmesg_restrict: fixed(1),
      kptr_restrict: fixed(1),
      randomize_va_space: fixed(0),
      sched_child_runs_first: fixed(0),
      shmmax: fixed("18446744073692774399"),
      shmall: fixed("18446744073692774399"),
      shmmni: fixed(4096),
      sem: fixed("32000\t1024000000\t500\t32000"),
      msgmax: fixed(8192),
      msgmnb: fixed(16384),
      msgmni: fixed(32000),
      unprivileged_userns_clone: fixed(0),
      yama: rows({ ptrace_scope: fixed(1) }),
      random: rows({
        boot_id: fixed(bootId),
        uuid: textNode(() => `${uuid(kernel)}\n`),
        entropy_avail: fixed(256),
        poolsize: fixed(256),
        urandom_min_reseed_secs: fixed(60),
        write_wakeup_threshold: fixed(256),
      }),
    }),
    vm: rows({
      overcommit_memory: tunable(0),
      overcommit_ratio: tunable(50),
      max_map_count: tunable(65530),
      mmap_min_addr: fixed(65536),
      swappiness: tunable(60),
      nr_hugepages: fixed(0),
    }),
    fs: rows({
      "file-max": fixed("9223372036854775807"),
      "file-nr": fixed("0\t0\t9223372036854775807"),
      nr_open: fixed(1048576),
      "pipe-max-size": fixed(1048576),
      "pipe-user-pages-soft": fixed(16384),
      "pipe-user-pages-hard": fixed(0),
      protected_symlinks: fixed(0),
      protected_hardlinks: fixed(0),
      "aio-max-nr": fixed(65536),
      inotify: rows({
        max_queued_events: fixed(16384),
        max_user_instances: fixed(128),
        max_user_watches: fixed(65536),
      }),
      mqueue: rows({}),
    }),
    net: rows({
      core: rows({
        somaxconn: fixed(4096),
        rmem_default: fixed(212992),
        rmem_max: fixed(212992),
        wmem_default: fixed(212992),
        wmem_max: fixed(212992),
      }),
      ipv4: rows({
        ip_local_port_range: fixed("32768\t60999"),
        ip_forward: fixed(0),
        tcp_fin_timeout: fixed(60),
        tcp_rmem: fixed("4096\t131072\t6291456"),
        tcp_wmem: fixed("4096\t16384\t4194304"),
      }),
      ipv6: rows({ conf: rows({ all: rows({ disable_ipv6: fixed(0) }) }) }),
    }),
  };
}

/** /proc/net, without what lives in sockets. */
const network: Entries = {
  dev: textNode(
    () =>
      "Inter-|   Receive                                                |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0\n",
  ),
  tcp: textNode(
    () => "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n",
  ),
  tcp6: textNode(
    () =>
      "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n",
  ),
  udp: textNode(
    () =>
      "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n",
  ),
  unix: textNode(() => "Num       RefCount Protocol Flags    Type St Inode Path\n"),
  route: textNode(() => "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"),
  if_inet6: textNode(() => "00000000000000000000000000000001 01 80 10 80       lo\n"),
};

/** The entries of /proc beside processes. */
export function systemEntries(kernel: Kernel): Entries {
  return {
    cpuinfo: textNode(() => cpuInfo),
    meminfo: textNode(() => memInfo(kernel)),
    stat: textNode(() => systemStat(kernel)),
    uptime: textNode(() => uptime(kernel)),
    loadavg: textNode(() => loadAverage(kernel)),
    version: textNode(() => `Linux version ${release} (cerebro) ${version}\n`),
    cmdline: textNode(() => "\n"),
    filesystems: textNode(() => ["overlay", ...fileSystemsOf(kernel).names].map((name) => `nodev\t${name}\n`).join("")),
    devices: textNode(
      () => "Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n136 pts\n\nBlock devices:\n",
    ),
    partitions: textNode(() => "major minor  #blocks  name\n\n"),
    diskstats: textNode(() => ""),
    swaps: textNode(() => "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"),
    modules: textNode(() => ""),
    interrupts: textNode(() => "           CPU0       \n"),
    vmstat: textNode(() => "nr_free_pages 0\npgpgin 0\npgpgout 0\n"),
    mounts: (at) => new LinkNode(at, () => "self/mounts"),
    net: (at) => table(at, network),
    sys: (at) => table(at, settings(kernel)),
  };
}
