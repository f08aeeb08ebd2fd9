# Completion of zrctl for fish: zrctl completion fish | source
function __zrctl_listed
    zrctl -o json -timeout 1s status 2>/dev/null |
        string match -ar '(?<="name":")[a-z][a-z0-9-]*(?=")'
end
function __zrctl_installed
    set -q ZR_HOME; or set -l ZR_HOME ~/.zr
    ls $ZR_HOME/modules 2>/dev/null | string replace -fr '^([a-z][a-z0-9-]*)\.json$' '$1'
end
complete -c zrctl -f
for flag in (string sub -s 2 -- @FLAGS@)
    complete -c zrctl -o $flag
end
complete -c zrctl -o addr -x
complete -c zrctl -o timeout -x
complete -c zrctl -o o -x -a 'json table'
complete -c zrctl -n 'not __fish_seen_subcommand_from @COMMANDS@' -a '@COMMANDS@'
complete -c zrctl -n '__fish_seen_subcommand_from @LISTED@' -a '(__zrctl_listed)'
complete -c zrctl -n '__fish_seen_subcommand_from start' -a '(__zrctl_installed)'
complete -c zrctl -n '__fish_seen_subcommand_from completion' -a 'bash fish zsh'
