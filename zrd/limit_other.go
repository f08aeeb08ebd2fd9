//go:build !unix

package main

func maxConns() int { return connections }
