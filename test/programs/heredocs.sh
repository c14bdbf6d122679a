# Here-documents and here-strings, redirections, descriptors, files.
name=world
cat <<END
hello $name $((3 * 4)) `echo old`
	tab
END
cat <<'END'
no $expansion here
END
cat <<-END
	leading tabs go
	END
tr a-z A-Z <<<"a here-string"
dir=$(mktemp -d)
cd "$dir" || exit 1
exec 3>out 4<&0
echo first >&3; echo second >&3
exec 3>&-
cat out
wc -l <out
echo third >>out; wc -c <out
{ read -r a; read -r b; } <out; echo "$b $a"
echo error >&2 2>err; cat err
ls nothing 2>/dev/null; echo "ls $?"
set -C; echo again >out 2>/dev/null; echo "noclobber $?"; set +C
mkdir -p a/b/c && touch a/b/c/{1,2,3} && find a -type f | sort
for f in a/b/c/*; do echo "${f##*/}"; done | paste -sd,
rm -r a; ls
cd /; rm -r "$dir"
cat <<A <<B
first is read and dropped
A
second wins
B
