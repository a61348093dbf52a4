// peer does the least that an operator in Go does for Tenure's ApiKeys, as a measure for Tenure's cost: one reconciler of
// controller-runtime that writes a token into a Secret, and then its hash and a condition into the status. It
// never revokes, rotates or repairs anything, records no stamp, and believes its cache.
package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

const (
	workers = 16
	qps     = 2000
)

func main() {
	ctrl.SetLogger(logr.FromSlogHandler(slog.NewTextHandler(os.Stderr, nil)))
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	ctx := ctrl.SetupSignalHandler()
	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	config.QPS, config.Burst = qps, qps
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		return err
	}
	addToScheme(scheme)
	manager, err := ctrl.NewManager(config, ctrl.Options{Scheme: scheme, Metrics: server.Options{BindAddress: "0"}})
	if err != nil {
		return err
	}
	// Otherwise the watch begins with the first key.
	if _, err := manager.GetCache().GetInformer(ctx, &Membership{}); err != nil {
		return err
	}
	err = ctrl.NewControllerManagedBy(manager).For(&ApiKey{}).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers}).
		Complete(&issuer{manager.GetClient()})
	if err != nil {
		return err
	}
	return manager.Start(ctx)
}

type issuer struct{ client.Client }

func (i *issuer) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var key ApiKey
	if err := i.Get(ctx, request.NamespacedName, &key); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if key.Status.SecretUID != "" || key.DeletionTimestamp != nil {
		return ctrl.Result{}, nil
	}
	var member Membership
	if err := i.Get(ctx, client.ObjectKey{Namespace: key.Namespace, Name: key.Spec.Membership}, &member); err != nil {
		return ctrl.Result{}, err
	}
	token, id := mint()
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name:            key.Name,
			Namespace:       key.Namespace,
			Labels:          map[string]string{"tenure.dev/membership": member.Name, "tenure.dev/key-id": id},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(&key, groupVersion.WithKind("ApiKey"))},
		},
		Data: map[string][]byte{"token": []byte(token)},
	}
	if err := i.Create(ctx, secret); apierrors.IsAlreadyExists(err) {
		return ctrl.Result{}, nil // The status that this process wrote isn't in the cache yet.
	} else if err != nil {
		return ctrl.Result{}, err
	}
	digest := sha256.Sum256([]byte(token))
	key.Status.ObservedGeneration = key.Generation
	key.Status.KeyID, key.Status.Hash = id, "sha256:"+hex.EncodeToString(digest[:])
	key.Status.SecretName, key.Status.SecretUID = secret.Name, string(secret.UID)
	meta.SetStatusCondition(&key.Status.Conditions, metav1.Condition{
		Type: "Ready", Status: metav1.ConditionTrue, Reason: "Issued", ObservedGeneration: key.Generation,
		Message: "Issued under the role " + member.Spec.Role,
	})
	return ctrl.Result{}, i.Status().Update(ctx, &key)
}

func mint() (token, id string) {
	random := make([]byte, 32)
	rand.Read(random) // It never fails.
	digest := sha256.Sum256(random)
	return base64.RawURLEncoding.EncodeToString(random), hex.EncodeToString(digest[:8])
}
