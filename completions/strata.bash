# SPDX-License-Identifier: Apache-2.0
# strata.bash - completion for bash. What there is to offer, strata itself says: the hidden verb
# __complete reads the same tables as the command line and --help.

_strata() {
	local i word glue= full strip line
	local -a words=() found=()

	# Readline splits words at = and : (COMP_WORDBREAKS); strata wants them whole.
	for ((i = 1; i <= COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if [[ $word == [=:]* && ${#words[@]} -gt 0 ]]; then
			words[-1]+=$word
			glue=yes
		elif [[ $glue ]]; then
			words[-1]+=$word
			glue=
		else
			words+=("$word")
		fi
	done
	full=${words[-1]-}
	# Only what follows the last break is replaced on the line.
	strip=${full%"${full##*[=:]}"}

	COMPREPLY=()
	while IFS= read -r line; do
		case $line in
		:file) mapfile -t found < <(compgen -f -- "${full#"$strip"}")
			compopt -o filenames 2>/dev/null ;;
		:directory) mapfile -t found < <(compgen -d -- "${full#"$strip"}")
			compopt -o filenames 2>/dev/null ;;
		*) found=()
			[[ $line == "$full"* ]] && found=("${line#"$strip"}") ;;
		esac
		COMPREPLY+=("${found[@]}")
	done < <("${COMP_WORDS[0]}" __complete -- "${words[@]}" 2>/dev/null)
	[[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace
	return 0
}

complete -F _strata strata
