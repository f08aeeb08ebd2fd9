package main

import (
	"embed"
	"flag"
	"strings"
)

//go:embed completion.bash completion.fish completion.zsh
var scripts embed.FS

var shells = []string{"bash", "fish", "zsh"}

// completion returns the script for a shell, with the commands and flags filled in.
func completion(shell string, flags *flag.FlagSet) string {
	var dashed, listed []string
	flags.VisitAll(func(f *flag.Flag) { dashed = append(dashed, "-"+f.Name) })
	for _, cmd := range commands {
		if strings.Contains(cmd.args, "NAME") && cmd.name != "start" {
			listed = append(listed, cmd.name)
		}
	}
	script, _ := scripts.ReadFile("completion." + shell)
	words := strings.NewReplacer("@COMMANDS@", strings.Join(commandNames(), " "),
		"@FLAGS@", strings.Join(dashed, " "), "@LISTED@", strings.Join(listed, " "))
	return words.Replace(string(script))
}
