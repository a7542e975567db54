package main

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/pbm/methods"
	pbm "github.com/vmware/govmomi/pbm/simulator"
	"github.com/vmware/govmomi/pbm/types"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/soap"
	vim "github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vim25/xml"
)

// policyManager keeps storage policies: those of the site with fixed ids, and those that clients make. govmomi's own gives
// random ids at every start, cannot update a policy, and does not know which VM has which.
type policyManager struct {
	*pbm.ProfileManager
	v     *vcenter
	store *store

	mu       sync.Mutex
	site     []*types.PbmCapabilityProfile
	profiles []*types.PbmCapabilityProfile
	changed  bool
}

type policyFile struct {
	Profile []*types.PbmCapabilityProfile `xml:"profile"`
}

func (v *vcenter) policySDK() *simulator.Registry {
	sdk := pbm.New()
	v.policies = newPolicyManager(v)
	for _, object := range sdk.AllReference("PbmProfileProfileManager") {
		v.policies.ProfileManager = object.(*pbm.ProfileManager)
	}
	sdk.Put(v.policies)
	return sdk
}

func newPolicyManager(v *vcenter) *policyManager {
	m := &policyManager{v: v}
	for _, policy := range v.site.StoragePolicies {
		m.site = append(m.site, newProfile(policy.ID, policy.Name, policy.Description, time.Unix(0, 0).UTC(), v.options.username))
	}
	return m
}

func newProfile(id, name, description string, created time.Time, user string) *types.PbmCapabilityProfile {
	return &types.PbmCapabilityProfile{
		PbmProfile: types.PbmProfile{
			ProfileId: types.PbmProfileId{UniqueId: id}, Name: name, Description: description,
			CreationTime: created, CreatedBy: user, LastUpdatedTime: created, LastUpdatedBy: user,
		},
		ProfileCategory:  string(types.PbmProfileCategoryEnumREQUIREMENT),
		ResourceType:     types.PbmProfileResourceType{ResourceType: string(types.PbmProfileResourceTypeEnumSTORAGE)},
		Constraints:      &types.PbmCapabilitySubProfileConstraints{},
		K8sCompliantName: storageClassName(name),
	}
}

// storageClassName is the Kubernetes name of a storage policy, as the Supervisor derives it.
func storageClassName(policy string) string {
	return strings.Trim(regexp.MustCompile(`[^a-z0-9.]+`).ReplaceAllString(strings.ToLower(policy), "-"), "-.")
}

func (m *policyManager) restore() error {
	data, err := m.store.read("policies.xml")
	if err != nil || data == nil {
		return err
	}
	var file policyFile
	decoder := xml.NewDecoder(bytes.NewReader(data))
	known := vim.TypeFunc()
	decoder.TypeFunc = known
	if err := decoder.Decode(&file); err != nil {
		return fmt.Errorf("policies.xml: %w", err)
	}
	m.profiles = file.Profile
	return nil
}

func (m *policyManager) flush() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.changed {
		return nil
	}
	var text bytes.Buffer
	if err := xml.NewEncoder(&text).Encode(policyFile{m.profiles}); err != nil {
		return err
	}
	m.changed = false
	return m.store.write("policies.xml", text.Bytes())
}

// all lists the site's and the clients' policies; m.mu is held.
func (m *policyManager) all() []*types.PbmCapabilityProfile {
	return append(append([]*types.PbmCapabilityProfile{}, m.site...), m.profiles...)
}

// PbmQueryProfile lists the ids of policies.
func (m *policyManager) PbmQueryProfile(req *types.PbmQueryProfile) soap.HasFault {
	body := m.ProfileManager.PbmQueryProfile(req).(*methods.PbmQueryProfileBody)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.all() {
		if p.ResourceType == req.ResourceType && (req.ProfileCategory == "" || p.ProfileCategory == req.ProfileCategory) {
			body.Res.Returnval = append(body.Res.Returnval, p.ProfileId)
		}
	}
	return body
}

// PbmQueryProfileDetails lists policies.
func (m *policyManager) PbmQueryProfileDetails(req *types.PbmQueryProfileDetails) soap.HasFault {
	body := m.ProfileManager.PbmQueryProfileDetails(req).(*methods.PbmQueryProfileDetailsBody)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.all() {
		if req.ProfileCategory == "" || p.ProfileCategory == req.ProfileCategory {
			body.Res.Returnval = append(body.Res.Returnval, types.PbmProfileDetails{Profile: p})
		}
	}
	return body
}

// PbmRetrieveContent gives policies by id.
func (m *policyManager) PbmRetrieveContent(req *types.PbmRetrieveContent) soap.HasFault {
	body := &methods.PbmRetrieveContentBody{Res: new(types.PbmRetrieveContentResponse)}
	for _, id := range req.ProfileIds {
		m.mu.Lock()
		p := m.find(id.UniqueId)
		m.mu.Unlock()
		if p != nil {
			body.Res.Returnval = append(body.Res.Returnval, p)
			continue
		}
		one := m.ProfileManager.PbmRetrieveContent(&types.PbmRetrieveContent{This: req.This, ProfileIds: []types.PbmProfileId{id}})
		if one.Fault() != nil {
			// The words by which the Terraform provider knows that a policy is gone.
			return &methods.PbmRetrieveContentBody{Fault_: simulator.Fault(
				"Profile not found. Id: "+id.UniqueId, &vim.InvalidArgument{InvalidProperty: "profileId"})}
		}
		body.Res.Returnval = append(body.Res.Returnval, one.(*methods.PbmRetrieveContentBody).Res.Returnval...)
	}
	return body
}

func (m *policyManager) find(id string) *types.PbmCapabilityProfile {
	return firstMatch(m.all(), func(p *types.PbmCapabilityProfile) bool { return p.ProfileId.UniqueId == id })
}

// PbmCreate makes a policy.
func (m *policyManager) PbmCreate(ctx *simulator.Context, req *types.PbmCreate) soap.HasFault {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.all() {
		if p.Name == req.CreateSpec.Name {
			return &methods.PbmCreateBody{Fault_: simulator.Fault(
				fmt.Sprintf("storage policy %q exists already", p.Name), &types.PbmDuplicateName{Name: p.Name})}
		}
	}
	profile := newProfile(uuid.NewString(), req.CreateSpec.Name, req.CreateSpec.Description, time.Now().UTC(), ctx.Session.UserName)
	profile.ProfileCategory, profile.ResourceType, profile.Constraints = req.CreateSpec.Category, req.CreateSpec.ResourceType, req.CreateSpec.Constraints
	m.profiles = append(m.profiles, profile)
	m.changed = true
	m.v.wcp.notifyChanged()
	return &methods.PbmCreateBody{Res: &types.PbmCreateResponse{Returnval: profile.ProfileId}}
}

// PbmUpdate changes a policy that a client has made.
func (m *policyManager) PbmUpdate(req *types.PbmUpdate) soap.HasFault {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.find(req.ProfileId.UniqueId)
	if p == nil {
		return &methods.PbmUpdateBody{Fault_: simulator.Fault("there is no such storage policy", &vim.InvalidArgument{InvalidProperty: "profileId"})}
	}
	if req.UpdateSpec.Name != "" {
		p.Name = req.UpdateSpec.Name
	}
	p.Description = req.UpdateSpec.Description
	if req.UpdateSpec.Constraints != nil {
		p.Constraints = req.UpdateSpec.Constraints
	}
	p.LastUpdatedTime = time.Now().UTC()
	m.changed = true
	m.v.wcp.notifyChanged()
	return &methods.PbmUpdateBody{Res: new(types.PbmUpdateResponse)}
}

// PbmDelete removes policies; the site's own stay.
func (m *policyManager) PbmDelete(req *types.PbmDelete) soap.HasFault {
	m.mu.Lock()
	defer m.mu.Unlock()
	body := &methods.PbmDeleteBody{Res: new(types.PbmDeleteResponse)}
	for _, id := range req.ProfileId {
		outcome := types.PbmProfileOperationOutcome{ProfileId: id}
		switch p := m.find(id.UniqueId); {
		case p == nil:
			outcome.Fault = &vim.LocalizedMethodFault{Fault: &vim.InvalidArgument{InvalidProperty: "profileId"}, LocalizedMessage: "there is no such storage policy"}
		case m.v.wcp.namespaceUsingPolicy(id.UniqueId) != "":
			message := fmt.Sprintf("storage policy %q is used by Supervisor namespace %q", p.Name, m.v.wcp.namespaceUsingPolicy(id.UniqueId))
			outcome.Fault = &vim.LocalizedMethodFault{Fault: &types.PbmResourceInUse{}, LocalizedMessage: message}
		default:
			for i := range m.profiles {
				if m.profiles[i] == p {
					m.profiles = append(m.profiles[:i:i], m.profiles[i+1:]...)
					break
				}
			}
			m.changed = true
		}
		body.Res.Returnval = append(body.Res.Returnval, outcome)
	}
	m.v.wcp.notifyChanged()
	return body
}

// PbmQueryAssociatedProfile tells the policy of a VM, which holds for its disks too.
func (m *policyManager) PbmQueryAssociatedProfile(req *types.PbmQueryAssociatedProfile) soap.HasFault {
	body := &methods.PbmQueryAssociatedProfileBody{Res: new(types.PbmQueryAssociatedProfileResponse)}
	if id := m.policyOf(req.Entity); id != "" {
		body.Res.Returnval = []types.PbmProfileId{{UniqueId: id}}
	}
	return body
}

// PbmQueryAssociatedProfiles asks for several objects at once.
func (m *policyManager) PbmQueryAssociatedProfiles(req *types.PbmQueryAssociatedProfiles) soap.HasFault {
	body := &methods.PbmQueryAssociatedProfilesBody{Res: new(types.PbmQueryAssociatedProfilesResponse)}
	for _, entity := range req.Entities {
		result := types.PbmQueryProfileResult{Object: entity}
		if id := m.policyOf(entity); id != "" {
			result.ProfileId = []types.PbmProfileId{{UniqueId: id}}
		}
		body.Res.Returnval = append(body.Res.Returnval, result)
	}
	return body
}

func (m *policyManager) policyOf(entity types.PbmServerObjectRef) string {
	switch types.PbmObjectType(entity.ObjectType) {
	case types.PbmObjectTypeVirtualMachine, types.PbmObjectTypeVirtualMachineAndDisks, types.PbmObjectTypeVirtualDiskId:
		vm := entity.Key
		for i, r := range vm {
			if r == ':' { // a disk is VM:device
				vm = vm[:i]
				break
			}
		}
		return m.v.records.get(vm).StoragePolicy
	}
	return ""
}

// list is what the REST API shows of the policies.
func (m *policyManager) list() []storagePolicy {
	m.mu.Lock()
	defer m.mu.Unlock()
	var policies []storagePolicy
	for _, p := range m.all() {
		policies = append(policies, storagePolicy{Name: p.Name, ID: p.ProfileId.UniqueId, Description: p.Description})
	}
	return policies
}

func (v *vcenter) storagePolicies() []map[string]string {
	policies := []map[string]string{}
	for _, p := range v.policies.list() {
		policies = append(policies, map[string]string{"policy": p.ID, "name": p.Name, "description": p.Description})
	}
	return policies
}

// recordPolicy remembers a VM's storage policy.
func (v *vcenter) recordPolicy(vm vim.ManagedObjectReference, profiles []vim.BaseVirtualMachineProfileSpec) {
	for _, profile := range profiles {
		if defined, ok := profile.(*vim.VirtualMachineDefinedProfileSpec); ok {
			v.records.change(vm.Value, func(r *vmRecord) { r.StoragePolicy = defined.ProfileId })
		}
	}
}
