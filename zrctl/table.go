package main

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"

	"zr/internal/protocol"
)

const (
	maxCell   = 100 // columns of a cell; a package name is not longer
	minRoom   = 40  // columns of a terminal that the last error needs
	statusAt  = 2   // the column with the status
	columnGap = 2
)

var colors = map[string]string{"starting": "33", "running": "32", "failed": "31"}

// makeTable returns a table of services. If width, that of the terminal, is not 0, the last error
// is cut so that a row takes one line, or two lines on a narrow terminal.
func makeTable(services []protocol.Service, verbose bool, width int, color bool) string {
	if len(services) == 0 {
		return "no services\n"
	}
	rows := [][]string{{"NAME", "PORT", "STATUS"}}
	if verbose {
		rows[0] = append(rows[0], "PID", "PROCESSES", "UPTIME", "RESTARTS", "FAILURES", "VERSION",
			"NEXT RETRY", "LAST ERROR")
	}
	for _, s := range services {
		row := []string{s.Name, strconv.Itoa(s.Port), s.Status}
		if verbose {
			d := cmp.Or(s.Details, &protocol.Details{})
			row = append(row, count(d.PID), count(d.Processes), span(d.Uptime), strconv.Itoa(d.Restarts),
				strconv.Itoa(d.Failures), d.Version, span(d.NextRetry), d.LastError)
		}
		rows = append(rows, row)
	}
	return layout(rows, width, color)
}

// layout aligns the cells of all rows. The last column may be as wide as the terminal allows.
func layout(rows [][]string, width int, color bool) string {
	last := len(rows[0]) - 1
	widths := make([]int, last+1) // 0 for the last
	room := width
	for i := range last {
		for _, row := range rows {
			row[i] = shown(row[i], maxCell)
			widths[i] = max(widths[i], columns(row[i])+columnGap)
		}
		room -= widths[i]
	}
	if width == 0 {
		room = math.MaxInt
	}
	for room < minRoom {
		room += width
	}
	var text strings.Builder
	for _, row := range rows {
		row[last] = shown(row[last], room)
		line := ""
		for i, cell := range row {
			padding := strings.Repeat(" ", max(0, widths[i]-columns(cell)))
			if code := colors[cell]; color && i == statusAt && code != "" {
				cell = "\x1b[" + code + "m" + cell + "\x1b[0m"
			}
			line += cell + padding
		}
		text.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return text.String()
}

func count(n int) string {
	if n == 0 {
		return "-"
	}
	return strconv.Itoa(n)
}

// span formats a number of seconds, as in 42s, 5m10s or 3d4h.
func span(seconds *int) string {
	const hour, day = 60 * 60, 24 * 60 * 60
	if seconds == nil {
		return "-"
	}
	switch s := *seconds; {
	case s < hour:
		return (time.Duration(s) * time.Second).String()
	case s < day:
		return fmt.Sprintf("%dh%dm", s/hour, s%hour/60)
	default:
		return fmt.Sprintf("%dd%dh", s/day, s%day/hour)
	}
}

// shown returns text with escapes for what is not printable, cut to room columns.
func shown(text string, room int) string {
	text = protocol.Printable(text)
	if columns(text) <= room {
		return text
	}
	used := 1 // the ellipsis
	for i, r := range text {
		if used += runeColumns(r); used > room {
			return text[:i] + "…"
		}
	}
	return text
}

// columns returns how many columns of a terminal printable text takes.
func columns(text string) (n int) {
	for _, r := range text {
		n += runeColumns(r)
	}
	return n
}

// wide are the blocks of characters that take two columns, from Unicode's EastAsianWidth.txt.
var wide = [][2]rune{
	{0x1100, 0x115f}, {0x2e80, 0x303e}, {0x3041, 0xa4cf}, {0xa960, 0xa97f}, {0xac00, 0xd7a3},
	{0xf900, 0xfaff}, {0xfe30, 0xfe6f}, {0xff00, 0xff60}, {0xffe0, 0xffe6}, {0x1f300, 0x1f64f},
	{0x1f680, 0x1f6ff}, {0x1f900, 0x1faff}, {0x20000, 0x3fffd},
}

func runeColumns(r rune) int {
	if unicode.In(r, unicode.Mn, unicode.Me) {
		return 0
	}
	for _, block := range wide {
		if block[0] <= r && r <= block[1] {
			return 2
		}
	}
	return 1
}
