// The servers of Kubernetes and etcd, a node for tests, and Helm's templates, as one program; its first word says which.
package main

import (
	"fmt"
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

// Others are what the first word names beside Kubernetes' own commands.
var others = map[string]func([]string) error{"node": mainOfNode, "helm": mainOfHelm}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: kubernetes etcd|kube-apiserver|kube-controller-manager|kube-scheduler|node|helm [word ...]")
		os.Exit(2)
	}
	called := os.Args[1]
	os.Args = append([]string{called}, os.Args[2:]...)
	switch called {
	case "etcd":
		etcdmain.Main(os.Args)
	case "kube-apiserver":
		os.Exit(cli.Run(apiserver.NewAPIServerCommand()))
	case "kube-controller-manager":
		os.Exit(cli.Run(controllers.NewControllerManagerCommand()))
	case "kube-scheduler":
		os.Exit(cli.Run(scheduler.NewSchedulerCommand()))
	}
	other, found := others[called]
	if !found {
		fmt.Fprintf(os.Stderr, "%s is none of them\n", called)
		os.Exit(2)
	}
	if err := other(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}
