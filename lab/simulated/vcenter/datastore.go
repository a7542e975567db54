package main

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vmware/govmomi/simulator"
)

func (v *vcenter) datastoreDirectory() string {
	return filepath.Join(v.options.state, "datastore", v.site.Datastore.Name)
}

func (v *vcenter) listDatastores(*http.Request) (any, *apiError) {
	summary := v.registry.Get(v.datastore).(*simulator.Datastore).Summary
	return []any{map[string]any{
		"datastore": v.datastore.Value, "name": summary.Name, "type": "VMFS", "capacity": summary.Capacity, "free_space": summary.FreeSpace,
	}}, nil
}

// sweep removes directories of the datastore that no VM and no library uses: left by a kill in the middle of a creation.
func (v *vcenter) sweep() error {
	entries, err := os.ReadDir(v.datastoreDirectory())
	if err != nil {
		return err
	}
	used := v.libraryDirectories()
	for _, vm := range v.virtualMachines() {
		_, path, _ := strings.Cut(vm.Config.Files.VmPathName, "] ")
		used = append(used, strings.SplitN(path, "/", 2)[0])
	}
	for _, entry := range entries {
		if entry.IsDir() && !slices.Contains(used, entry.Name()) {
			if err := os.RemoveAll(filepath.Join(v.datastoreDirectory(), entry.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
