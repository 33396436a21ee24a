#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Completion, by the shells themselves: bash and zsh in a terminal, where a word is replaced by all
# its completions and the line then run, and fish by its "complete -C". Every command and option of
# --help is completed, and ids and files where they belong, but never a handle.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
set -e

made=$abs_top_builddir/completion
shells=
missing=
# bash and zsh want a terminal
script -qec true /dev/null </dev/null >/dev/null 2>&1 || missing=" script(1) and a terminal for bash and zsh"
for shell in bash zsh fish; do
	if ! command -v "$shell" >/dev/null; then
		missing="$missing $shell"
	elif grep -q "^${shell}completiondir = no\$" "$abs_top_builddir/Makefile"; then
		missing="$missing --with-$shell-completion-dir"
	elif [ "$shell" = fish ] || [ "${missing#*script}" = "$missing" ]; then
		shells="$shells $shell"
	fi
done
for shell in $shells; do
	for file in "$made/$shell"/*; do
		[ -s "$file" ] || fail "$file was not made"
		! grep -q '@[A-Z]*@' "$file" || fail "$file has a place that nothing was put into"
	done
done

# ---- what is completed: two publications, files, a program ----
umask 077
new_rundir a
mkdir "$tmp/here" "$tmp/here/folder" "$tmp/bin" "$tmp/home"
cd "$tmp/here"
rmmap hello >handle-one 2>/dev/null
rmmap hello >handle-two 2>/dev/null
echo >book
printf '#!/bin/sh\n' >"$tmp/bin/printing-press"
chmod +x "$tmp/bin/printing-press"
PATH=$tmp/bin:$PATH
ids=$(rmmap list | sed -n '2,$s/ .*//p' | sort | tr '\n' ' ')
[ "$(echo "$ids" | wc -w)" -eq 2 ] || fail "there are not two publications: $ids"

options_of()    # PROGRAM ARG...: its options, as --help has them
{
	"$@" --help | sed -n 's/^  \(--[a-z]*\).*/\1/p' | sort | tr '\n' ' '
}
commands=$(rmmap --help | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p' | sort | tr '\n' ' ')
[ "$(echo "$commands" | wc -w)" -ge 12 ] || fail "rmmap --help names these commands only: $commands"

# want LINE COMPLETIONS: each goes into the place of the line's last word; none: it stays
want()
{
	printf '%s\n' "$1" >>"$tmp/lines"
	printf '%s\n' "$2" >>"$tmp/wanted"
}
want "rmmap " "$commands"
want "rmmap un" unpublish
want "rmmap --" "$(options_of rmmap)"
want "rmmapd --" "$(options_of "$RMMAP_DAEMON")"
want "rmmapd --run" "--rundir"
want "rmmapd --rundir " "folder"
for command in $commands; do
	options=$(options_of rmmap "$command")
	case $options in *--help*) ;; *) fail "rmmap $command --help names no options" ;; esac
	want "rmmap $command --" "$options"
done
for command in stat unpublish; do
	want "rmmap $command " "$ids @"
	want "rmmap $command @h" "@handle-one @handle-two"
	want "rmmap $command rmmap1" ""
done
want "rmmap stat --json " "$ids @"
want "rmmap unpublish --revoke $(echo "$ids" | cut -c 1-7)" "$(echo "$ids" | cut -d ' ' -f 1)"
want "rmmap move " "$ids @"
want "rmmap move x " ""
for command in hello check save; do
	want "rmmap $command " "@"
	want "rmmap $command @handle-o" "@handle-one"
	want "rmmap $command rmmap1" ""
done
want "rmmap save @handle-one bo" book
want "rmmap save @handle-one book " ""
want "rmmap load bo" book
want "rmmap load -- bo" book
want "rmmap plan --json bo" book
want "rmmap load --ttl " none
want "rmmap load --ttl=n" "--ttl=none"
want "rmmap load --ttl none --readers 3 bo" book
want "rmmap load --readers " ""
want "rmmap function --handler bo" book
want "rmmap run printing-pr" printing-press
want "rmmap run --slot 3 --core printing-pr" printing-press
want "rmmap run printing-press bo" book
want "rmmap list " ""
want "rmmap nonsense " ""
count=$(wc -l <"$tmp/lines")

# ---- each shell's answers, a line in $tmp/SHELL.N for each completion, the last word's place ----
# A line that is run gives all its words to the function in the command's place; while completion
# runs the command itself is meant.
terminal_input()        # KEY: what is typed
{
	n=0
	while read -r line; do
		n=$((n + 1))
		# read takes off the blank at the end, which ends a word
		line=$(sed -n "${n}p" "$tmp/lines"; echo .)
		line=${line%??}
		printf 'n=%d\n%s%b\n' "$n" "$line" "$1"
	done <"$tmp/lines"
	printf 'exit\n'
}

bash_run()
{
	{
		cat <<-END
			PS1=
			set -o emacs
			source $made/bash/rmmap
			source $made/bash/rmmapd
			answer() { printf '%s\n' "\$@" >$tmp/bash.\$n; }
			rmmap() { if [[ -n \${COMP_LINE-} ]]; then command rmmap "\$@"; else answer "\$@"; fi; }
			rmmapd() { answer "\$@"; }
		END
		terminal_input '\033*'
	} >"$tmp/typed"
	INPUTRC=/dev/null TERM=dumb HOME=$tmp/home timeout 120 \
		script -qec "bash --norc --noprofile -i" /dev/null <"$tmp/typed" >"$tmp/bash.log" 2>&1
}

zsh_run()
{
	{
		cat <<-END
			PS1=
			fpath=($made/zsh \$fpath)
			autoload -U compinit
			compinit -u -d $tmp/zcompdump
			zstyle ':completion:*' completer _all_matches _complete
			zstyle ':completion:*' insert true
			bindkey '^I' complete-word
			unsetopt nomatch
			answer() { printf '%s\n' "\$@" >$tmp/zsh.\$n; }
			rmmap() { if [[ -n \${compstate-} ]]; then command rmmap "\$@"; else answer "\$@"; fi; }
			rmmapd() { answer "\$@"; }
		END
		# values of variables: those that --help names in words
		"$RMMAP_DAEMON" --help | sed -n 's/^  \(RMMAP_[A-Z_]*=\)\([a-z][a-z|]*\)  .*/\1 \2/p' |
		while read -r name values; do
			for value in $(echo "$values" | tr '|' ' '); do
				# all but its last letter, where no other begins so
				[ "$(echo "$values" | tr '|' '\n' | grep -c "^${value%?}")" -eq 1 ] || continue
				printf 'n=%s%s\n%s%s\t; answer $%s\n' "$name" "$value" "$name" "${value%?}" "${name%=}"
			done
		done
		terminal_input '\t'
	} >"$tmp/typed"
	TERM=dumb HOME=$tmp/home timeout 120 \
		script -qec "zsh -f -i" /dev/null <"$tmp/typed" >"$tmp/zsh.log" 2>&1
	values=$(ls "$tmp"/zsh.RMMAP_* | wc -l)
	[ "$values" -ge 8 ] || fail "zsh completes only $values values of variables"
	for file in "$tmp"/zsh.RMMAP_*; do
		[ "$(cat "$file")" = "${file#*=}" ] || fail "zsh: ${file##*/} is $(cat "$file")"
	done
}

fish_run()
{
	cat >"$tmp/ask.fish" <<-END
		source $made/fish/rmmap.fish
		source $made/fish/rmmapd.fish
		set n 0
		while read -L line
			set n (math \$n + 1)
			complete -C "\$line" | string replace -r '\t.*' '' >$tmp/fish.\$n
		end
	END
	HOME=$tmp/home XDG_CONFIG_HOME=$tmp/home XDG_DATA_HOME=$tmp/home timeout 120 \
		fish --no-config -c "source $tmp/ask.fish; exit 0" <"$tmp/lines" >"$tmp/fish.log" 2>&1
}

bad=0
for shell in $shells; do
	"${shell}_run" || { tail -n 20 "$tmp/$shell.log" >&2; fail "$shell does not come to the end"; }
	n=0
	while [ "$n" -lt "$count" ]; do
		n=$((n + 1))
		line=$(sed -n "${n}p" "$tmp/lines")
		wanted=$(sed -n "${n}p" "$tmp/wanted")
		answer=$tmp/$shell.$n
		[ -f "$answer" ] || { echo "$shell: no answer to '$line'" >&2; bad=1; continue; }
		# the words before stand in front; one that has no completion stays as it is
		skip=0
		if [ "$shell" != fish ]; then
			words=${line% *}
			skip=$(($(echo "$words" | wc -w) - 1))
			[ -n "$wanted" ] || wanted=${line##* }
		fi
		# where nothing else fits, zsh offers options
		[ "$shell$wanted" != "zsh${line##* }" ] || sed -i '/^--/d' "$answer"
		# a blank between words, and a directory's slash is no matter
		wanted=$(printf '%s\n' $wanted | sort | tr '\n' ' ')
		got=$(tail -n "+$((skip + 1))" "$answer" | sed 's|/$||' | grep . | sort | tr '\n' ' ') || got=
		[ "$got" = "$wanted" ] || [ "$got$wanted" = " " ] || {
			echo "$shell: '$line' gives '$got', not '$wanted'" >&2
			bad=1
		}
	done
	! grep -q 'rmmap1:' "$tmp/$shell".[0-9]* || fail "$shell completes a handle"
done
[ "$bad" -eq 0 ] || exit 1
[ -n "$shells" ] || skip "no shell to complete by: missing are$missing"
echo "$count lines by$shells"
[ -z "$missing" ] || skip "only by$shells: missing are$missing"
