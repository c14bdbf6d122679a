# Pipelines, their statuses, subshells, groups, command substitution, coprocesses.
set -o pipefail
printf '%s\n' pear apple fig apple | sort | uniq -c | sort -rn | head -n 2
false | true; echo "pipefail $?"
set +o pipefail
true | false | true; echo "statuses ${PIPESTATUS[*]}"
x=1; (x=2; echo "inside $x"; exit 3); echo "outside $x, status $?"
{ echo one; echo two >&2; } 2>&1 | sed 's/^/> /'
echo "nested $(echo "$(echo deep) $(expr 6 \* 7)")"
seq 1 20000 | tail -n 1
seq 1 100000 | head -n 3
yes | head -n 2
for i in a b c; do echo $i; done | while read -r word; do echo "[$word]"; done
coproc cat
echo through >&"${COPROC[1]}"
read -r line <&"${COPROC[0]}"
echo "coproc $line"
eval "exec ${COPROC[1]}>&-"
wait
