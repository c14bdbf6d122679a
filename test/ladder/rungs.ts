// The ladder: Debian's own packages, and command lines whose outcome has to be the same as natively.

/** One command line. Its files are in /work, where it also starts. */
export interface Step {
  readonly command: readonly string[];
  readonly stdin?: string;
  readonly files?: Readonly<Record<string, string>>;
}

export interface Rung {
  readonly package: string;
  /** More packages that the command lines need. */
  readonly with?: readonly string[];
  /** Also in `npm test`; the others only in `npm run test:ladder`. */
  readonly short?: boolean;
  /** Also as an i386 package. */
  readonly i386?: boolean;
  readonly steps: readonly Step[];
}

const sh = (script: string, rest: Omit<Step, "command"> = {}): Step => ({ command: ["sh", "-c", script], ...rest });
const words = (text: string): string[] => text.split(" ");
const lines = (count: number, line: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => `${line(i)}\n`).join("");

const people = "ann,31,Berlin\nbob,25,Paris\ncarol,42,Rome\ndave,25,Oslo\n";
const poem = "The quick brown fox\njumps over the lazy dog.\n\nPack my box with\nfive dozen liquor jugs.\n";
const json = '{"name":"x","list":[3,1,2],"deep":{"a":{"b":[true,null,1.5e3]}},"text":"\\u00e9\\n"}\n';
const numbers = lines(500, (i) => String((i * 7919) % 1009));
const program = lines(400, (i) => `line ${i} ${"abcdefghij".repeat(i % 7)}`);

const coreutils: readonly Step[] = [
  sh("ls -l --time-style=+%Y /work | awk 2>/dev/null; ls -a /work", { files: { "b.txt": "b", "a.txt": "a" } }),
  { command: ["cat", "-A", "poem"], files: { poem } },
  { command: ["sort", "-n", "-r", "-u", "n"], files: { n: numbers } },
  { command: ["sort", "-t,", "-k2,2n", "-k1,1r", "p"], files: { p: people } },
  { command: ["uniq", "-c"], stdin: "a\na\nb\na\n" },
  { command: ["wc", "poem", "p"], files: { poem, p: people } },
  { command: ["head", "-n", "3", "n"], files: { n: numbers } },
  { command: ["tail", "-c", "20", "poem"], files: { poem } },
  { command: ["cut", "-d,", "-f1,3", "p"], files: { p: people } },
  { command: ["paste", "-d:", "p", "p"], files: { p: people } },
  { command: ["tr", "a-z", "A-Z"], stdin: poem },
  { command: ["seq", "-s,", "1", "3", "40"] },
  { command: ["sha256sum", "n", "poem"], files: { n: numbers, poem } },
  { command: ["md5sum", "-"], stdin: program },
  { command: ["b2sum", "n"], files: { n: numbers } },
  { command: ["base64", "-w", "40", "poem"], files: { poem } },
  { command: ["od", "-A", "x", "-t", "x1z", "poem"], files: { poem } },
  { command: ["fold", "-s", "-w", "20", "poem"], files: { poem } },
  { command: ["fmt", "-w", "30", "poem"], files: { poem } },
  { command: ["nl", "-ba", "poem"], files: { poem } },
  { command: ["tac", "poem"], files: { poem } },
  { command: ["comm", "a", "b"], files: { a: "1\n2\n3\n", b: "2\n3\n4\n" } },
  { command: ["join", "-t,", "p", "q"], files: { p: people, q: "ann,x\ncarol,y\n" } },
  { command: ["split", "-l", "100", "n", "part-"], files: { n: numbers } },
  { command: ["csplit", "-s", "poem", "/Pack/"], files: { poem } },
  { command: ["cp", "-a", "n", "copy"], files: { n: numbers } },
  { command: ["mv", "n", "moved"], files: { n: numbers } },
  { command: ["ln", "-s", "n", "link"], files: { n: "x" } },
  { command: ["mkdir", "-p", "a/b/c"] },
  { command: ["touch", "-d", "2020-01-02 03:04:05", "new"] },
  { command: ["stat", "-c", "%n %s %a %F %h", "n"], files: { n: numbers } },
  { command: ["dd", "if=n", "of=out", "bs=7", "skip=3", "count=20", "status=none"], files: { n: numbers } },
  { command: ["date", "-u", "-d", "@1234567890", "+%F %T %A"] },
  { command: ["expr", "12", "*", "(", "3", "+", "4", ")"] },
  { command: ["factor", "1234567890", "97", "18446744073709551557"] },
  { command: ["printf", "%s|%05d|%x|%.3f\\n", "a", "42", "255", "3.14159"] },
  { command: ["env", "-i", "A=1", "printenv"] },
  { command: ["tee", "one", "two"], stdin: poem },
  { command: ["test", "-d", "/work"] },
  { command: ["basename", "/a/b/c.txt", ".txt"] },
  { command: ["dirname", "/a/b/c.txt"] },
  { command: ["numfmt", "--to=iec", "123456789"] },
  { command: ["shuf", "--random-source=n", "-n", "5", "n"], files: { n: numbers } },
  { command: ["truncate", "-s", "5", "n"], files: { n: numbers } },
  { command: ["realpath", "a/../n"], files: { n: "", "a/x": "" } },
  { command: ["cat", "nothing"] },
  { command: ["false"] },
  { command: ["id", "-u"] },
  { command: ["tsort"], stdin: "a b\nb c\na c\n" },
  { command: ["pr", "-t", "-2", "-l", "10", "p"], files: { p: people } },
  { command: ["expand", "-t", "4"], stdin: "a\tb\tc\n" },
  { command: ["timeout", "5", "true"] },
];

export const ladder: readonly Rung[] = [
  {
    package: "hello",
    short: true,
    i386: true,
    steps: [
      { command: ["hello"] },
      { command: ["hello", "-g", "good morning"] },
      { command: ["hello", "--version"] },
      { command: ["hello", "-x"] },
    ],
  },
  {
    package: "jq",
    short: true,
    steps: [
      { command: ["jq", "."], stdin: json },
      { command: ["jq", "-c", ".list | sort, length, (map(. * 2) | add)"], stdin: json },
      { command: ["jq", "-r", '.deep | paths | map(tostring) | join("/")'], stdin: json },
      { command: ["jq", "[range(0; 200)] | map(select(. % 7 == 0)) | @csv", "-n", "-r"] },
      { command: ["jq", ".["], stdin: json },
    ],
  },
  {
    package: "sqlite3",
    steps: [
      { command: ["sqlite3", ":memory:", "select sqlite_version() > '3', 1 + 1, 'a' || 'b', 10 / 4.0;"] },
      {
        command: ["sqlite3", "-header", "-column", "db"],
        stdin:
          "create table t(a, b real);\ninsert into t values (1, 2.5), ('x', 1e10), (null, 3);\nselect *, typeof(a) from t order by b;\n",
      },
      {
        command: ["sqlite3", ":memory:"],
        stdin:
          "with recursive n(i) as (select 1 union all select i + 1 from n where i < 5000) select count(*), sum(i * i), avg(i) from n;\n",
      },
      { command: ["sqlite3", ":memory:", "select nothing;"] },
    ],
  },
  {
    package: "lua5.4",
    steps: [
      { command: ["lua5.4", "-e", "for i = 1, 5 do io.write(i * i, ' ') end print(_VERSION)"] },
      {
        command: ["lua5.4", "s.lua", "x"],
        files: {
          "s.lua":
            "local t = {} for w in ('the quick fox'):gmatch('%a+') do t[#t+1] = w end table.sort(t) print(table.concat(t, ','), arg[1], 10 // 3, 2^0.5, string.format('%5.2f|%q', math.pi, 'a\\nb'))\n",
        },
      },
      {
        command: [
          "lua5.4",
          "-e",
          "print(pcall(error, 'x')); local c = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end) print(c(), c(), c()); error('end')",
        ],
      },
    ],
  },
  {
    package: "bc",
    steps: [
      { command: ["bc"], stdin: "2^200\nscale=30\nsqrt(2)\n22/7\n" },
      { command: ["bc", "-l"], stdin: "4*a(1)\ne(1)\nl(10)\ns(1)\n" },
      {
        command: ["bc"],
        stdin: "define f(n) { if (n < 2) return 1; return n * f(n - 1); }\nf(50)\nobase=16\n255\n1/0\n",
      },
    ],
  },
  {
    package: "gawk",
    short: true,
    steps: [
      {
        command: ["gawk", "-F,", '{ s += $2; n[$2]++ } END { print s, NR; for (k in n) print k, n[k] | "sort" }', "p"],
        files: { p: people },
      },
      {
        command: [
          "gawk",
          'BEGIN { printf "%5.2f %s %d\\n", 3.14159, toupper("abc"), 0x10; print length("h\u00e9llo"), substr("hello", 2, 3), index("hello", "l") }',
        ],
      },
      { command: ["gawk", '{ gsub(/o+/, "0"); print NR": "$0 }'], stdin: poem },
      { command: ["gawk", 'BEGIN { for (i = 0; i < 50000; i++) x = x + sin(i); printf "%.6f\\n", x; exit 3 }'] },
      {
        command: [
          "gawk",
          'BEGIN { while (("echo a; echo b" | getline line) > 0) print "got", line; print system("exit 4") }',
        ],
      },
    ],
  },
  {
    package: "grep",
    short: true,
    i386: true,
    steps: [
      { command: ["grep", "-n", "o.e", "poem"], files: { poem } },
      { command: ["grep", "-E", "-o", "[a-z]+u[a-z]*", "poem"], files: { poem } },
      { command: ["grep", "-r", "-c", "a", "."], files: { poem, "d/p": people } },
      { command: ["grep", "-P", "\\b(\\w)\\w*\\1\\b", "poem"], files: { poem } },
      { command: ["grep", "-i", "-v", "THE"], stdin: poem },
      { command: ["grep", "nothing", "poem"], files: { poem } },
    ],
  },
  {
    package: "sed",
    short: true,
    i386: true,
    steps: [
      { command: ["sed", "s/\\([a-z]*\\) \\([a-z]*\\)/\\2 \\1/g; 2d"], stdin: poem },
      { command: ["sed", "-i.bak", "-E", "s/[aeiou]+/<&>/g", "poem"], files: { poem } },
      { command: ["sed", "-n", "/Pack/,$ { =; p }"], stdin: poem },
      { command: ["sed", ":a;N;$!ba;s/\\n/|/g"], stdin: poem },
      { command: ["sed", "wat"] },
    ],
  },
  { package: "coreutils", with: ["dash"], short: true, steps: coreutils },
  {
    package: "findutils",
    with: ["coreutils", "dash"],
    steps: [
      sh("find /work -type f -name '*.c' | sort", { files: { "a.c": "", "d/b.c": "", "d/x.h": "" } }),
      {
        command: ["find", ".", "-maxdepth", "1", "-type", "f", "-size", "+1k", "-printf", "%f %s\\n"],
        files: { n: numbers, small: "" },
      },
      sh("find . -type f -print0 | sort -z | xargs -0 -n 2 echo", { files: { "a b": "", c: "", d: "" } }),
      { command: ["xargs", "-I{}", "echo", "[{}]"], stdin: "one\ntwo\n" },
      sh("find . -name d -prune -o -type f -exec wc -c {} +", { files: { one: "1", "d/two": "22" } }),
    ],
  },
  {
    package: "bash",
    with: ["coreutils", "sed", "grep"],
    short: true,
    i386: true,
    steps: [
      {
        command: [
          "bash",
          "-c",
          "a=(x y z); echo ${#a[@]} ${a[-1]} ${a[@]/y/Y}; declare -A m=([k]=v); echo ${m[k]} $((16#ff)) ${RANDOM:+set}",
        ],
      },
      {
        command: [
          "bash",
          "-c",
          "for i in {1..5}; do echo $i; done | while read x; do echo -n \"$x \"; done; echo; [[ abc =~ b(.) ]] && echo ${BASH_REMATCH[1]}; printf '%q\\n' 'a b'",
        ],
      },
      {
        command: ["bash", "s.sh", "1", "2"],
        files: {
          "s.sh":
            "f() { local x=$1; (( x > 0 )) && { echo $x; f $((x - 1)); }; }\nf 5\necho $# $@\ntrap 'echo bye' EXIT\nexit 3\n",
        },
      },
      { command: ["bash", "-c", "echo one | sed s/one/two/ | grep -c two; cat <<< here; wait; (exit 4); echo $?"] },
      { command: ["bash", "-c", "syntax ( error"] },
    ],
  },
  {
    package: "dash",
    with: ["coreutils"],
    short: true,
    steps: [
      { command: ["dash", "-c", "x=$(echo hi); echo ${x}there $((6 * 7)) ${y:-none} ${x%i}"] },
      {
        command: ["dash", "-c", "for i in 1 2 3; do echo $i; done | sort -r; set -- a b c; shift; echo $1 $#; exit 5"],
      },
      {
        command: ["dash"],
        stdin: "case abc in a*) echo yes;; esac\nuntil false; do echo once; break; done\nkill -TERM $$\n",
      },
    ],
  },
  {
    package: "busybox-static",
    steps: [
      { command: ["busybox", "sh", "-c", "echo $((1 + 2)); busybox seq 3 | busybox tac"] },
      { command: ["busybox", "awk", "BEGIN { print 2 ** 10, sin(1) }"] },
      { command: ["busybox", "sha1sum", "n"], files: { n: numbers } },
      { command: ["busybox", "tar", "cf", "x.tar", "n"], files: { n: "tar me\n" } },
      { command: ["busybox", "vi", "--nothing"] },
    ],
  },
  {
    package: "xz-utils",
    steps: [
      { command: ["xz", "-k", "-T1", "n"], files: { n: program } },
      sh("xz -9 -c n | xz -dc | cksum", { files: { n: program } }),
      { command: ["xz", "-t", "n"], files: { n: "not xz" } },
    ],
    with: ["coreutils", "dash"],
  },
  {
    package: "zstd",
    steps: [
      { command: ["zstd", "-q", "-k", "n"], files: { n: program } },
      sh("zstd -19 -q -c n | zstd -dc | cksum", { files: { n: program } }),
      { command: ["zstd", "-q", "-d", "n.zst"], files: { "n.zst": "not zstd" } },
    ],
    with: ["coreutils", "dash"],
  },
  {
    package: "gzip",
    short: true,
    i386: true,
    steps: [
      { command: ["gzip", "-n", "-k", "-9", "n"], files: { n: program } },
      sh("gzip -c n | gzip -dc | cksum", { files: { n: program } }),
      { command: ["gzip", "-d", "n.gz"], files: { "n.gz": "not gzip" } },
    ],
    with: ["coreutils", "dash"],
  },
  {
    package: "file",
    steps: [
      { command: ["file", "poem", "j.json"], files: { poem, "j.json": json } },
      { command: ["file", "-b", "--mime", "poem"], files: { poem } },
      { command: ["file", "/usr/bin/file"] },
    ],
  },
  {
    package: "perl-base",
    steps: [
      {
        command: [
          "perl",
          "-e",
          'print join(\',\', map { $_ ** 2 } grep { $_ % 2 } 1..9), "\\n"; my %h = (a => 1, b => 2); print "$_=$h{$_}\\n" for sort keys %h',
        ],
      },
      { command: ["perl", "-ne", "s/(\\w+)/\\u$1/g; print"], stdin: poem },
      {
        command: [
          "perl",
          "-e",
          'printf "%.10f %s\\n", atan2(1, 1) * 4, 2 ** 70; open my $f, \'>\', \'out\' or die; print $f "x" x 10; close $f; die "end\\n"',
        ],
      },
    ],
  },
  {
    package: "python3.11-minimal",
    steps: [
      { command: words("python3.11 -S -c print(sum(range(1000)),2**100,1/3,sorted('hello'))") },
      {
        command: ["python3.11", "-S", "s.py", "a"],
        files: {
          "s.py":
            "import sys\nclass A:\n    def __repr__(self): return 'A!'\nprint([A()] * 2, sys.argv[1:], f'{3.14159:.2f}', {k: v for k, v in zip('abc', range(3))})\nwith open('out', 'w') as f: f.write('done\\n')\nsys.exit(3)\n",
        },
      },
      { command: ["python3.11", "-S", "-c", "def f(): yield from range(3)\nprint(list(f()))\nraise ValueError('x')"] },
    ],
  },
];
