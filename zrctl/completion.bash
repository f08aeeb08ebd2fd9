# Completion of zrctl for bash: source <(zrctl completion bash)
_zrctl() {
	local word words= command=
	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		[[ -z $command && " @COMMANDS@ " == *" $word "* ]] && command=$word
	done
	if [[ $3 == -o ]]; then
		words="json table"
	elif [[ $3 == -addr || $3 == -timeout ]]; then
		words=
	elif [[ $2 == -* ]]; then
		words="@FLAGS@"
	elif [[ -z $command ]]; then
		words="@COMMANDS@"
	elif [[ $command == completion ]]; then
		words="bash fish zsh"
	elif [[ $command == start ]]; then
		words=$(ls -- "${ZR_HOME:-${HOME-}/.zr}/modules" 2>/dev/null |
			sed -n 's/^\([a-z][a-z0-9-]*\)\.json$/\1/p')
	elif [[ " @LISTED@ " == *" $command "* ]]; then
		words=$("$1" -o json -timeout 1s status 2>/dev/null |
			grep -o '"name":"[a-z][a-z0-9-]*"' | cut -d '"' -f 4)
	fi
	COMPREPLY=($(compgen -W "$words" -- "$2"))
}
complete -F _zrctl zrctl
