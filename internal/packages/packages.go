// Package packages reads the home: which packages are installed, and what their services run.
// Everything is read afresh on each call, so that an upgrade is picked up. Nothing that a name or a
// file says reaches outside modules/ and store/NAME/VERSION/.
package packages

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"zr/internal/protocol"
)

// Service describes the service of an installed package.
type Service struct {
	Name    string
	Version string
	Dir     string // the absolute path of the package's folder
	Binary  string // the path of an existing file in it
	Port    int    // 1 to 65535
	Health  string // starts with "/", holds no space or control character
	Eager   bool

	StartTimeout   time.Duration
	StopTimeout    time.Duration
	StopTimeoutSet bool // by the definition
	HealthTimeout  time.Duration
	HealthRetries  int // failed checks in a row that are tolerated

	Warnings []string // what in the definition has no effect, one line each
}

const (
	maxFile   = 255  // bytes of the name of a version or a binary
	maxHealth = 1024 // bytes of a health path
)

// Load returns the service of the installed version of a package. Its errors are meant for clients.
// If the definition describes a service that cannot be started, Load returns the service, whose
// Port is not 0, together with the error.
func (h *Home) Load(name string) (Service, error) {
	if !protocol.ValidName(name) {
		return Service{}, notFound(name)
	}
	return within(h, packageName(name), func() (Service, error) { return h.load(name) })
}

func (h *Home) load(name string) (Service, error) {
	r, err := h.receipt(name)
	if err != nil {
		return Service{}, err
	}
	d, err := h.definition(name, r.current)
	if err != nil {
		return Service{}, err
	}
	s := d.Service
	s.Eager = s.Eager && r.active
	s.Binary = filepath.Join(s.Dir, d.Binary)
	switch {
	case !d.hasService:
		return Service{}, fmt.Errorf("package '%s' has no service section", name)
	case s.Port == 0:
		return Service{}, fmt.Errorf("service '%s' has no port configured", name)
	case d.Binary == "":
		return s, fmt.Errorf("package '%s' has no binary", name)
	}
	if _, err := os.Stat(s.Binary); err != nil {
		return s, fmt.Errorf("binary not found: %s", s.Binary)
	}
	return s, nil
}

func packageName(name string) string {
	return "package '" + protocol.Clip(name, protocol.MaxName) + "'"
}

func notFound(name string) error {
	return fmt.Errorf("%s not found", packageName(name))
}

// Names returns the names of the installed packages. A home without modules has none. It fails if
// there is no home or modules cannot be read.
func (h *Home) Names() ([]string, error) {
	const failed = "cannot list the installed packages"
	return within(h, failed, func() ([]string, error) {
		if _, err := os.Stat(h.dir); err != nil {
			return nil, fmt.Errorf("no packages in the home %s: %w", h.dir, errors.Unwrap(err))
		}
		modules := filepath.Join(h.dir, "modules")
		entries, err := os.ReadDir(modules)
		if _, missing := os.Lstat(modules); err != nil && !errors.Is(missing, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s: %w", failed, err)
		}
		var names []string
		for _, e := range entries {
			if name, ok := strings.CutSuffix(e.Name(), ".json"); ok && protocol.ValidName(name) {
				names = append(names, name)
			}
		}
		return names, nil
	})
}

// Eager reports whether an installed package is active and its definition says startup = "eager".
// It fails if the receipt or the definition cannot be read. A package without a definition is no
// error: most of zacor's packages have no service and no package.toml.
func (h *Home) Eager(name string) (bool, error) {
	return within(h, packageName(name), func() (bool, error) {
		r, err := h.receipt(name)
		if err != nil || !r.active {
			return false, err
		}
		d, err := h.definition(name, r.current)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		return d.Eager, err
	})
}

// plainName reports whether s names a file in a folder and nothing else, on any system.
func plainName(s string) bool {
	return len(s) <= maxFile && s != "." && filepath.IsLocal(s) && !strings.ContainsAny(s, `/\`) &&
		strings.IndexFunc(s, unicode.IsControl) < 0
}
