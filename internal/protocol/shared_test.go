package protocol

import "testing"

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"port 9200 is held by pid 49 (caddy)": "port 9200 is held by pid 49 (caddy)",
		"späces, 日本語, \"quotes\" and \\":      "späces, 日本語, \"quotes\" and \\",
		"\x1b[31mred\x07":                     `\x1b[31mred\a`,
		"two\nlines\r\t":                      `two\nlines\r\t`,
		"\x7f \u009b \u202e \u2066 \u200b":    `\x7f \u009b \u202e \u2066 \u200b`,
		"not UTF-8: \xff\xc3":                 `not UTF-8: \xff\xc3`,
		`literal \n, \\, \" and \x1b`:         `literal \n, \\, \" and \x1b`,
		"\ufffd":                              "\ufffd",
		"":                                    "",
	} {
		if got := Printable(text); got != want {
			t.Errorf("Printable(%q) = %q, want %q", text, got, want)
		}
	}
}
