//go:build unix && !linux

package main

func exitMainThread() {}

func closeToOthers() {}
