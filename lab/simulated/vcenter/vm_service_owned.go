package main

import (
	"sync"

	"github.com/vmware/govmomi/simulator"
)

type ownedVMs struct {
	mu      sync.Mutex
	byOwner map[string]*ownedVM
}

func (o *ownedVMs) get(owner string) *ownedVM {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.byOwner[owner]
}

func (o *ownedVMs) put(vm *ownedVM) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.byOwner[vm.Owner] = vm
}

func (o *ownedVMs) drop(moid string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for owner, vm := range o.byOwner {
		if vm.Moid == moid {
			delete(o.byOwner, owner)
		}
	}
}

func (o *ownedVMs) all() []*ownedVM {
	o.mu.Lock()
	defer o.mu.Unlock()
	vms := make([]*ownedVM, 0, len(o.byOwner))
	for _, owner := range sortedKeys(o.byOwner) {
		vms = append(vms, o.byOwner[owner])
	}
	return vms
}

// adopt takes a VM into the table by its extraConfig.
func (v *vcenter) adopt(vm *simulator.VirtualMachine) {
	if owner := extraConfigValue(vm, keyOwner); owner != "" {
		v.owned.put(&ownedVM{
			Owner: owner, Name: vm.Name, Namespace: extraConfigValue(vm, keyNamespace), Class: extraConfigValue(vm, keyClass),
			Role: extraConfigValue(vm, keyRole), Image: extraConfigValue(vm, keyImage), Moid: vm.Self.Value,
		})
	}
}

// keyedLocks serialize calls about one thing.
type keyedLocks struct {
	mu    sync.Mutex
	locks map[string]*keyedLock
}

type keyedLock struct {
	sync.Mutex
	users int
}

func (k *keyedLocks) lock(key string) func() {
	k.mu.Lock()
	if k.locks == nil {
		k.locks = map[string]*keyedLock{}
	}
	l := k.locks[key]
	if l == nil {
		l = &keyedLock{}
		k.locks[key] = l
	}
	l.users++
	k.mu.Unlock()
	l.Lock()
	return func() {
		l.Unlock()
		k.mu.Lock()
		defer k.mu.Unlock()
		if l.users--; l.users == 0 {
			delete(k.locks, key)
		}
	}
}
