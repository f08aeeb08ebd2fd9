//go:build unix && !linux

package main

import "errors"

func exitMainThread() {}

func hideFromOthers() {}

func with(setting, _ string, _ []string) error {
	return errors.New("there is no setting " + setting + " on this system")
}
