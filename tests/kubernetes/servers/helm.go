package main

import (
	"flag"
	"fmt"
	"os"
	"path"
	"strings"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/releaseutil"
	"helm.sh/helm/v3/pkg/strvals"
)

// mainOfHelm is `helm template NAME CHART [--set K=V] [--set-file K=PATH]`, by Helm's own loader, schema and engine.
func mainOfHelm(arguments []string) error {
	if len(arguments) < 3 || arguments[0] != "template" {
		return fmt.Errorf("usage: helm template NAME CHART [--set KEY=VALUE] [--set-file KEY=PATH]")
	}
	values := map[string]any{}
	options := flag.NewFlagSet("helm", flag.ExitOnError)
	options.Func("set", "a value", func(word string) error { return strvals.ParseInto(word, values) })
	options.Func("set-file", "a value, from a file", func(word string) error {
		return strvals.ParseIntoFile(word, values, func(name []rune) (any, error) {
			text, err := os.ReadFile(string(name))
			return string(text), err
		})
	})
	if err := options.Parse(arguments[3:]); err != nil {
		return err
	}
	chart, err := loader.Load(arguments[2])
	if err != nil {
		return err
	}
	release := chartutil.ReleaseOptions{Name: arguments[1], Namespace: "default", Revision: 1, IsInstall: true}
	rendering, err := chartutil.ToRenderValues(chart, values, release, nil)
	if err != nil {
		return err
	}
	files, err := engine.Render(chart, rendering)
	if err != nil {
		return err
	}
	for name, text := range files {
		if path.Ext(name) != ".yaml" || strings.TrimSpace(text) == "" {
			delete(files, name)
		}
	}
	_, manifests, err := releaseutil.SortManifests(files, nil, releaseutil.InstallOrder)
	if err != nil {
		return err
	}
	for _, manifest := range manifests {
		fmt.Printf("---\n# Source: %s\n%s\n", manifest.Name, manifest.Content)
	}
	return nil
}
