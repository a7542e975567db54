package main

import (
	"fmt"
	"os"
	"strconv"

	"gopkg.in/yaml.v3"
)

// inventory is the simulated site, as inventory.yaml describes it.
type inventory struct {
	Version    string
	Datacenter string
	Cluster    string
	Datastore  struct {
		Name        string
		CapacityGib int64 `yaml:"capacityGib"`
	}
	Network struct {
		Switch    string
		Portgroup string
	}
	Folder          string
	ResourcePool    string `yaml:"resourcePool"`
	GPUs            map[string]gpuModel
	Hosts           []hostGroup
	StoragePolicies []storagePolicy `yaml:"storagePolicies"`
	Supervisor      struct {
		Name string
		ID   string
	}
	Identity struct {
		Domain string
		Groups []string
		// Providers are external ones of the Supervisor, by id.
		Providers []struct{ ID, Name string }
	}
	Libraries []struct {
		Name  string
		Items []struct{ Name, Type, Description, Descriptor string }
	}
	// Namespaces of others, there from the start, with storage policies and VM classes by name.
	Namespaces []struct {
		Name, Description string
		Storage, Classes  []string
	}
	Template templateVM
	Classes  []struct {
		Name              string
		CPUs              int64 `yaml:"cpus"`
		MemoryGib         int64 `yaml:"memoryGib"`
		CPUReservation    int64 `yaml:"cpuReservation"`
		MemoryReservation int64 `yaml:"memoryReservation"`
	}
}

// gpuModel is a kind of GPU: PCI ids in hex, vGPU profiles with their framebuffer in GiB.
type gpuModel struct {
	Vendor         string
	Device         string
	Name           string
	VendorName     string `yaml:"vendorName"`
	FramebufferGib int64  `yaml:"framebufferGib"`
	Use            string // sharedDirect (vGPU) or passthrough (DirectPath I/O)
	Profiles       map[string]int64
}

type hostGroup struct {
	Names     []string
	Cores     int16
	MemoryGib int64 `yaml:"memoryGib"`
	GPU       string
	Addresses []string
}

type storagePolicy struct {
	Name        string `json:"name"`
	ID          string `json:"id"`
	Description string `json:"description"`
}

type templateVM struct {
	Name      string
	CPUs      int32 `yaml:"cpus"`
	MemoryGib int64 `yaml:"memoryGib"`
	DiskGib   int64 `yaml:"diskGib"`
}

func loadInventory(path string) (*inventory, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	site := new(inventory)
	decoder := yaml.NewDecoder(file)
	decoder.KnownFields(true)
	if err := decoder.Decode(site); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, group := range site.Hosts {
		if _, known := site.GPUs[group.GPU]; group.GPU != "" && !known {
			return nil, fmt.Errorf("%s: hosts %v have GPU %q, which gpus does not describe", path, group.Names, group.GPU)
		}
	}
	for name, model := range site.GPUs {
		if model.Use != "sharedDirect" && model.Use != "passthrough" {
			return nil, fmt.Errorf("%s: gpus.%s.use is %q; expected sharedDirect or passthrough", path, name, model.Use)
		}
		for _, id := range []string{model.Vendor, model.Device} {
			if _, err := strconv.ParseUint(id, 16, 16); err != nil {
				return nil, fmt.Errorf("%s: gpus.%s: PCI id %q is not four hex digits", path, name, id)
			}
		}
	}
	return site, nil
}

func pciID(hexDigits string) int64 {
	n, err := strconv.ParseUint(hexDigits, 16, 16)
	if err != nil {
		panic(err) // loadInventory has checked it
	}
	return int64(n)
}
