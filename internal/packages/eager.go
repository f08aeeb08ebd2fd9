package packages

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// A Candidate is a package to start with the daemon or, with Err, one that is too broken to
// tell whether it is.
type Candidate struct {
	Name string
	Err  error
}

// Eager lists the installed packages that are active and whose definition says
// startup = "eager", and those that are broken. A home without
// modules has none; the error is that there is no home, or that modules cannot be read.
func (h Home) Eager() ([]Candidate, error) {
	entries, err := os.ReadDir(filepath.Join(string(h), "modules"))
	if _, serr := os.Stat(string(h)); serr != nil {
		return nil, fmt.Errorf("no packages in the home %s: %w", h, errors.Unwrap(serr))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot list the installed packages: %w", err)
	}
	var list []Candidate
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".json")
		if !ok || !ValidName(name) {
			continue
		}
		if eager, err := h.eager(name); eager || err != nil {
			list = append(list, Candidate{name, err})
		}
	}
	return list, nil
}

// eager is false for a package that is there but has no definition: most of
// zacor's packages have no service, and nobody made them a package.toml.
func (h Home) eager(name string) (bool, error) {
	r, err := h.receipt(name)
	if err != nil || !r.active {
		return false, err
	}
	dir := filepath.Join(string(h), "store", name, r.current)
	if _, err := os.Stat(dir); err != nil {
		return false, err
	}
	def, err := readDefinition(filepath.Join(dir, "package.toml"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return bool(def.eager), err
}
