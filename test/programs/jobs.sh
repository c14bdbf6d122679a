# Background jobs, wait, traps, signals, exit statuses.
trap 'echo "trap exit"' EXIT
trap 'echo "got usr1"' USR1
(sleep 0.05; exit 4) & first=$!
(exit 5) & second=$!
wait $second; echo "second $?"
wait $first; echo "first $?"
kill -USR1 $$
(sleep 0.3; kill -USR1 $$) &
wait; echo "wait was $?"
wait; echo "then $?"
sleep 30 & pid=$!; sleep 0.4
kill $pid; wait $pid; echo "killed $?"
(trap 'echo term; exit 9' TERM; while :; do sleep 0.01; done) & pid=$!
sleep 0.5; kill -TERM $pid; wait $pid; echo "trapped $?"
for i in 1 2 3 4 5; do (exit $i) & pids+=" $!"; done
sum=0; for pid in $pids; do wait $pid; sum=$((sum + $?)); done; echo "sum $sum"
bash -c 'kill -SEGV $$'; echo "segv $?"
bash -c 'exit 300'; echo "modulo $?"
/nonexistent 2>/dev/null; echo "not found $?"
/ 2>/dev/null; echo "not runnable $?"
timeout 0.1 sleep 5; echo "timeout $?"
set -e
(false; echo unreached) || echo "set -e is off in a condition"
trap 'echo "err $?"' ERR
f() { return 6; }
f || echo "or $?"
exit 7
