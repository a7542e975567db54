package main

import "sync"

// vmRecord is what the simulator has no place for in a VM. Kept in the VM's file.
type vmRecord struct {
	IP            string    `json:"ip,omitempty"`
	VGPUs         []vgpuUse `json:"vgpus,omitempty"`
	StoragePolicy string    `json:"storage_policy,omitempty"`
}

// recordTable holds the vmRecord of each VM.
type recordTable struct {
	mu      sync.Mutex
	records map[string]vmRecord
}

func (t *recordTable) get(vm string) vmRecord {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.records[vm]
}

func (t *recordTable) set(vm string, record vmRecord) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.records[vm] = record
}

func (t *recordTable) change(vm string, change func(*vmRecord)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	record := t.records[vm]
	change(&record)
	t.records[vm] = record
}

func (t *recordTable) drop(vm string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.records, vm)
}
