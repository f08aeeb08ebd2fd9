#compdef zrctl
# Completion of zrctl for zsh, after compinit: source <(zrctl completion zsh)
_zrctl() {
	local word command
	local -a verbs=(@COMMANDS@) flags=(@FLAGS@) listed=(@LISTED@)
	for word in $words[2,CURRENT-1]; do
		[[ -z $command ]] && (( $verbs[(Ie)$word] )) && command=$word
	done
	if [[ $words[CURRENT-1] == -o ]]; then
		compadd json table
	elif [[ $words[CURRENT-1] == (-addr|-timeout) ]]; then
		_message value
	elif [[ $PREFIX == -* ]]; then
		compadd -- $flags
	elif [[ -z $command ]]; then
		compadd -- $verbs
	elif [[ $command == completion ]]; then
		compadd bash fish zsh
	elif [[ $command == start ]]; then
		compadd -- ${ZR_HOME:-$HOME/.zr}/modules/*.json(N:t:r)
	elif (( $listed[(Ie)$command] )); then
		compadd -- $($words[1] -o json -timeout 1s status 2>/dev/null |
			grep -o '"name":"[a-z][a-z0-9-]*"' | cut -d '"' -f 4)
	fi
}
if [[ $funcstack[1] == _zrctl ]]; then
	_zrctl
else
	compdef _zrctl zrctl
fi
