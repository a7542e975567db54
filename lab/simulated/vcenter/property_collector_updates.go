package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	// Some properties change without an announcement; waits look for themselves this often.
	refreshInterval = 250 * time.Millisecond
	// A client that went away leaves its wait behind, since SOAP handlers do not see the connection.
	maxWait = 10 * time.Minute
)

// WaitForUpdatesEx answers when anything differs from the version that the client names.
func (c *propertyCollector) WaitForUpdatesEx(ctx *simulator.Context, r *types.WaitForUpdatesEx) soap.HasFault {
	limit, once := maxWait, false
	if r.Options != nil && r.Options.MaxWaitSeconds != nil {
		once = *r.Options.MaxWaitSeconds == 0
		limit = min(limit, time.Duration(*r.Options.MaxWaitSeconds)*time.Second)
	}
	wait, stop := context.WithTimeout(context.Background(), limit)
	defer stop()
	body := &methods.WaitForUpdatesExBody{Res: new(types.WaitForUpdatesExResponse)}

	c.mu.Lock()
	since, err := c.parseVersion(r.Version)
	canceled := c.canceled
	c.mu.Unlock()
	if err != nil {
		return &methods.WaitForUpdatesExBody{Fault_: simulator.Fault(err.Error(), new(types.InvalidCollectorVersion))}
	}
	for {
		changes := registryChanges.next()
		c.mu.Lock()
		if registryChanges.count() != c.lastChange || time.Since(c.refreshed) >= refreshInterval {
			c.refresh(ctx)
		}
		set := c.updatesSince(since)
		c.mu.Unlock()
		if set != nil {
			body.Res.Returnval = set
			return body
		}
		if once {
			return body
		}
		select {
		case <-changes:
		case <-time.After(refreshInterval):
		case <-wait.Done():
			return body
		case <-canceled:
			return &methods.WaitForUpdatesExBody{Fault_: simulator.Fault("the wait was canceled", new(types.RequestCanceled))}
		}
	}
}

// WaitForUpdates is the form without options, which pyvmomi uses.
func (c *propertyCollector) WaitForUpdates(ctx *simulator.Context, r *types.WaitForUpdates) soap.HasFault {
	res := c.WaitForUpdatesEx(ctx, &types.WaitForUpdatesEx{This: r.This, Version: r.Version})
	body := &methods.WaitForUpdatesBody{Fault_: res.Fault()}
	if body.Fault_ == nil {
		set := res.(*methods.WaitForUpdatesExBody).Res.Returnval
		if set == nil {
			set = &types.UpdateSet{Version: r.Version}
		}
		body.Res = &types.WaitForUpdatesResponse{Returnval: *set}
	}
	return body
}

// CheckForUpdates answers at once with what is new.
func (c *propertyCollector) CheckForUpdates(ctx *simulator.Context, r *types.CheckForUpdates) soap.HasFault {
	c.mu.Lock()
	defer c.mu.Unlock()
	since, err := c.parseVersion(r.Version)
	if err != nil {
		return &methods.CheckForUpdatesBody{Fault_: simulator.Fault(err.Error(), new(types.InvalidCollectorVersion))}
	}
	c.refresh(ctx)
	return &methods.CheckForUpdatesBody{Res: &types.CheckForUpdatesResponse{Returnval: c.updatesSince(since)}}
}

// CancelWaitForUpdates ends the waits of a private collector. On the session's default collector it does nothing: a client
// that gives up one wait has closed its connection, and the other waits belong to others.
func (c *propertyCollector) CancelWaitForUpdates(*types.CancelWaitForUpdates) soap.HasFault {
	c.cancel()
	return &methods.CancelWaitForUpdatesBody{Res: new(types.CancelWaitForUpdatesResponse)}
}

func (c *propertyCollector) cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.canceled != nil {
		close(c.canceled)
		c.canceled = make(chan struct{})
	}
}

func (c *propertyCollector) parseVersion(version string) (int, error) {
	if version == "" {
		return -1, nil
	}
	n, err := strconv.Atoi(version)
	if err != nil || n > c.version {
		return 0, fmt.Errorf("version %q was never given by this property collector", version)
	}
	return n, nil
}

// refresh looks at every filter's objects and gives what changed a new version. c.mu is held.
func (c *propertyCollector) refresh(ctx *simulator.Context) {
	c.lastChange, c.refreshed = registryChanges.count(), time.Now()
	next := c.version + 1
	for _, filter := range c.filters {
		if c.observe(ctx, filter, next) {
			c.version = next
		}
	}
}

func (c *propertyCollector) observe(ctx *simulator.Context, filter *propertyFilter, version int) (changed bool) {
	res := c.RetrievePropertiesEx(ctx, &types.RetrievePropertiesEx{SpecSet: []types.PropertyFilterSpec{filter.Spec}})
	var contents []types.ObjectContent
	// A fault means that the filter's object is gone: it leaves.
	if res.Fault() == nil {
		contents = res.(*methods.RetrievePropertiesExBody).Res.Returnval.Objects
	}
	present := map[types.ManagedObjectReference]bool{}
	for _, content := range contents {
		present[content.Obj] = true
		object := filter.objects[content.Obj]
		if object == nil || object.left > 0 {
			object = &observedObject{entered: version, properties: map[string]observedProperty{}}
			filter.objects[content.Obj] = object
			changed = true
		}
		object.missing = content.MissingSet
		for _, property := range content.PropSet {
			var text string
			ctx.WithLock(content.Obj, func() { text = digest(property.Val) })
			if old, known := object.properties[property.Name]; !known || old.digest != text {
				object.properties[property.Name] = observedProperty{property.Val, text, version}
				changed = true
			}
		}
	}
	for ref, object := range filter.objects {
		if !present[ref] && object.left == 0 {
			object.left = version
			changed = true
		}
	}
	return changed
}

// digest tells values apart that share pointers with the live object.
func digest(value types.AnyType) string {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprintf("%#v", value)
	}
	return string(text)
}

// updatesSince is what changed after a version, nil when nothing did. A first wait (-1) always gets an answer. c.mu is held.
func (c *propertyCollector) updatesSince(version int) *types.UpdateSet {
	set := &types.UpdateSet{Version: strconv.Itoa(c.version)}
	for _, ref := range c.order {
		update := types.PropertyFilterUpdate{Filter: ref}
		for obj, object := range c.filters[ref].objects {
			change := types.ObjectUpdate{Obj: obj, Kind: types.ObjectUpdateKindModify}
			switch {
			case object.left > 0:
				if version < object.entered || version >= object.left {
					continue
				}
				change.Kind = types.ObjectUpdateKindLeave
			case version < object.entered:
				change.Kind = types.ObjectUpdateKindEnter
				change.MissingSet = object.missing
			}
			if object.left == 0 {
				// In a fixed order. The Terraform provider's wait for an address needs guest.ipStack before guest.net.
				for _, name := range sortedKeys(object.properties) {
					property := object.properties[name]
					if property.changed > version {
						change.ChangeSet = append(change.ChangeSet, types.PropertyChange{
							Name: name, Op: types.PropertyChangeOpAssign, Val: property.value,
						})
					}
				}
			}
			if change.Kind == types.ObjectUpdateKindModify && len(change.ChangeSet) == 0 {
				continue
			}
			update.ObjectSet = append(update.ObjectSet, change)
		}
		if len(update.ObjectSet) > 0 {
			set.FilterSet = append(set.FilterSet, update)
		}
	}
	if len(set.FilterSet) == 0 && version >= 0 {
		return nil
	}
	return set
}

// changeNotifier wakes everybody who waits for the next change, and counts the changes.
type changeNotifier struct {
	mu sync.Mutex
	n  uint64
	ch chan struct{}
}

// registryChanges beats at every announced change in the inventory; there is one inventory in a process.
var registryChanges = &changeNotifier{ch: make(chan struct{})}

func (p *changeNotifier) notify() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n++
	close(p.ch)
	p.ch = make(chan struct{})
}

func (p *changeNotifier) next() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ch
}

func (p *changeNotifier) count() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n
}
