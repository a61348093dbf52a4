package main

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var groupVersion = schema.GroupVersion{Group: "tenure.dev", Version: "v1alpha1"}

// ApiKey has the fields that the peer reads or writes.
type ApiKey struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec struct {
		Membership string `json:"membership"`
		Access     string `json:"access"`
	} `json:"spec"`
	Status ApiKeyStatus `json:"status,omitzero"`
}

// ApiKeyStatus has the fields that the peer writes.
type ApiKeyStatus struct {
	ObservedGeneration int64              `json:"observedGeneration"`
	Conditions         []metav1.Condition `json:"conditions,omitempty"`
	KeyID              string             `json:"keyId,omitempty"`
	Hash               string             `json:"hash,omitempty"`
	SecretName         string             `json:"secretName,omitempty"`
	SecretUID          string             `json:"secretUID,omitempty"`
}

// Membership has the fields that the peer reads.
type Membership struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec struct {
		Role string `json:"role"`
	} `json:"spec"`
}

// ApiKeyList is what an informer lists.
type ApiKeyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []ApiKey `json:"items"`
}

// MembershipList is what an informer lists.
type MembershipList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Membership `json:"items"`
}

// DeepCopyObject is part of runtime.Object.
func (k *ApiKey) DeepCopyObject() runtime.Object {
	copied := *k
	k.ObjectMeta.DeepCopyInto(&copied.ObjectMeta)
	copied.Status.Conditions = append([]metav1.Condition(nil), k.Status.Conditions...)
	return &copied
}

// DeepCopyObject is part of runtime.Object.
func (m *Membership) DeepCopyObject() runtime.Object {
	copied := *m
	m.ObjectMeta.DeepCopyInto(&copied.ObjectMeta)
	return &copied
}

// DeepCopyObject is part of runtime.Object. Nothing changes a list's items.
func (l *ApiKeyList) DeepCopyObject() runtime.Object { copied := *l; return &copied }

// DeepCopyObject is part of runtime.Object. Nothing changes a list's items.
func (l *MembershipList) DeepCopyObject() runtime.Object { copied := *l; return &copied }

func addToScheme(scheme *runtime.Scheme) {
	scheme.AddKnownTypes(groupVersion, &ApiKey{}, &ApiKeyList{}, &Membership{}, &MembershipList{})
	metav1.AddToGroupVersion(scheme, groupVersion)
}
