package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/cert"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	utilexec "k8s.io/utils/exec"
)

// A node whose containers are processes of this host, with process, mount and IPC namespaces, and a /tmp of their own.
// It takes the pods that the scheduler gave it, states what became of them, and carries exec by the streaming server
// of Kubernetes' own CRI library. It pulls no image: a container has the host's files.
type node struct {
	name   string
	prefix []string
	client kubernetes.Interface

	mutex sync.Mutex
	runs  map[types.UID]*run
}

type run struct {
	pod       *corev1.Pod
	process   *exec.Cmd
	startedAt metav1.Time
}

// mainOfNode serves a node until it is told to stop; what follows the options is the command that a container is run by.
func mainOfNode(arguments []string) error {
	options := flag.NewFlagSet("node", flag.ExitOnError)
	config := options.String("kubeconfig", "", "of the API server")
	name := options.String("name", "", "of the node")
	port := options.Int("port", 0, "of exec, on loopback")
	if err := options.Parse(arguments); err != nil {
		return err
	}
	settings, err := clientcmd.BuildConfigFromFlags("", *config)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(settings)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	served := &node{name: *name, prefix: options.Args(), client: client, runs: map[types.UID]*run{}}
	if err := served.serveExec(*port); err != nil {
		return err
	}
	if err := served.register(ctx, int32(*port)); err != nil {
		return err
	}
	served.follow(ctx)
	served.end()
	return nil
}

func (n *node) register(ctx context.Context, port int32) error {
	has := corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse("8"),
		corev1.ResourceMemory: resource.MustParse("16Gi"),
		corev1.ResourcePods:   resource.MustParse("50"),
	}
	wanted := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: n.name, Labels: map[string]string{corev1.LabelHostname: n.name}},
		Status: corev1.NodeStatus{
			Capacity:        has,
			Allocatable:     has,
			Addresses:       []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "127.0.0.1"}},
			DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: port}},
			Conditions: []corev1.NodeCondition{
				{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "Ready", LastHeartbeatTime: metav1.Now()},
			},
		},
	}
	made, err := n.client.CoreV1().Nodes().Create(ctx, wanted, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	made.Spec.Taints = nil // of a node that is not ready: the controller that takes it away is not run here
	_, err = n.client.CoreV1().Nodes().Update(ctx, made, metav1.UpdateOptions{})
	return err
}

func (n *node) follow(ctx context.Context) {
	here := fields.OneTermEqualSelector("spec.nodeName", n.name)
	source := cache.NewListWatchFromClient(n.client.CoreV1().RESTClient(), "pods", corev1.NamespaceAll, here)
	_, informer := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: source,
		ObjectType:    &corev1.Pod{},
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc:    func(object any) { n.see(object.(*corev1.Pod)) },
			UpdateFunc: func(_, object any) { n.see(object.(*corev1.Pod)) },
		},
	})
	informer.Run(ctx.Done())
}

func (n *node) see(pod *corev1.Pod) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	known, started := n.runs[pod.UID]
	switch {
	case pod.DeletionTimestamp != nil && started:
		known.kill()
	case pod.DeletionTimestamp != nil:
		n.remove(pod)
	case !started && pod.Status.Phase == corev1.PodPending:
		n.runs[pod.UID] = n.start(pod)
	}
}

func (n *node) start(pod *corev1.Pod) *run {
	container := pod.Spec.Containers[0]
	process := exec.Command("sh", n.words(pod, append(container.Command, container.Args...))...)
	process.Env = environment(container)
	process.Stderr = os.Stderr
	process.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL,
	}
	begun := &run{pod: pod, process: process, startedAt: metav1.Now()}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // Pdeathsig goes by the thread
		err := process.Start()
		started <- err
		if err == nil {
			err = process.Wait()
		}
		n.ended(begun, err)
	}()
	if <-started != nil {
		return begun
	}
	go n.state(begun, corev1.PodRunning, corev1.ContainerState{
		Running: &corev1.ContainerStateRunning{StartedAt: begun.startedAt},
	})
	return begun
}

// words are those of sh: the command prefix of the node's network, a /tmp and /proc of its own, the user of the pod.
func (n *node) words(pod *corev1.Pod, command []string) []string {
	script := `mount --make-rprivate / && mount -t tmpfs -o mode=1777 none /tmp && mount -t proc none /proc && exec "$@"`
	words := append([]string{"-c", script, "sh"}, n.prefix...)
	return append(append(words, asUserOf(pod)...), command...)
}

func asUserOf(pod *corev1.Pod) []string {
	user, group := "0", "0"
	if context := pod.Spec.SecurityContext; context != nil {
		if context.RunAsUser != nil {
			user = strconv.FormatInt(*context.RunAsUser, 10)
		}
		if context.RunAsGroup != nil {
			group = strconv.FormatInt(*context.RunAsGroup, 10)
		}
	}
	return []string{
		"setpriv", "--reuid=" + user, "--regid=" + group, "--clear-groups", "--no-new-privs", "--bounding-set=-all",
	}
}

func environment(container corev1.Container) []string {
	found := []string{"PATH=/usr/bin:/bin"}
	for _, each := range container.Env {
		found = append(found, each.Name+"="+each.Value)
	}
	return found
}

func (r *run) kill() {
	if process := r.process.Process; process != nil {
		_ = process.Kill() // of the first process there: the kernel ends the others
	}
}

func (n *node) ended(done *run, err error) {
	code := 128
	if done.process.ProcessState != nil {
		code = done.process.ProcessState.ExitCode()
	}
	state := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
		ExitCode: int32(code), StartedAt: done.startedAt, FinishedAt: metav1.Now(), Reason: "Completed",
	}}
	phase := corev1.PodSucceeded
	if err != nil {
		phase, state.Terminated.Reason, state.Terminated.Message = corev1.PodFailed, "Error", err.Error()
	}
	n.state(done, phase, state)
	if now, err := n.client.CoreV1().Pods(done.pod.Namespace).Get(context.Background(), done.pod.Name, metav1.GetOptions{}); err == nil && now.DeletionTimestamp != nil {
		n.remove(now)
	}
}

func (n *node) state(of *run, phase corev1.PodPhase, state corev1.ContainerState) {
	pods := n.client.CoreV1().Pods(of.pod.Namespace)
	for attempt := 0; attempt < 5; attempt++ {
		now, err := pods.Get(context.Background(), of.pod.Name, metav1.GetOptions{})
		if err != nil || now.UID != of.pod.UID || over(now.Status.Phase) {
			return
		}
		running := state.Running != nil
		container := of.pod.Spec.Containers[0]
		now.Status.Phase = phase
		now.Status.StartTime = &of.startedAt
		now.Status.ContainerStatuses = []corev1.ContainerStatus{{
			Name: container.Name, Image: container.Image, Ready: running, Started: &running, State: state,
		}}
		if _, err = pods.UpdateStatus(context.Background(), now, metav1.UpdateOptions{}); err == nil {
			return
		}
		log.Printf("status of %s: %v", of.pod.Name, err)
	}
}

func over(phase corev1.PodPhase) bool {
	return phase == corev1.PodSucceeded || phase == corev1.PodFailed
}

func (n *node) remove(pod *corev1.Pod) {
	now := int64(0)
	how := metav1.DeleteOptions{GracePeriodSeconds: &now, Preconditions: &metav1.Preconditions{UID: &pod.UID}}
	_ = n.client.CoreV1().Pods(pod.Namespace).Delete(context.Background(), pod.Name, how)
}

func (n *node) end() {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	for _, each := range n.runs {
		each.kill()
	}
}

func (n *node) serveExec(port int) error {
	certificate, key, err := cert.GenerateSelfSignedCertKey("127.0.0.1", nil, nil)
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return err
	}
	settings := &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}}
	listener, err := tls.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port), settings)
	if err != nil {
		return err
	}
	go func() { log.Fatal(http.Serve(listener, http.HandlerFunc(n.exec))) }()
	return nil
}

// exec answers /exec/NAMESPACE/POD/CONTAINER, as the API server asks a kubelet.
func (n *node) exec(answer http.ResponseWriter, request *http.Request) {
	parts := strings.Split(strings.Trim(request.URL.Path, "/"), "/")
	if len(parts) != 4 || parts[0] != "exec" {
		http.NotFound(answer, request)
		return
	}
	options, err := remotecommand.NewOptions(request)
	if err != nil {
		http.Error(answer, err.Error(), http.StatusBadRequest)
		return
	}
	found := n.running(parts[1], parts[2])
	if found == nil {
		http.Error(answer, "pod does not run", http.StatusNotFound)
		return
	}
	command := request.URL.Query()["command"]
	remotecommand.ServeExec(answer, request, found, parts[2], "", parts[3], command, options,
		4*time.Hour, 30*time.Second, remotecommand.SupportedStreamingProtocols)
}

func (n *node) running(namespace, name string) *run {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	for _, each := range n.runs {
		if each.pod.Namespace == namespace && each.pod.Name == name && each.process.Process != nil {
			return each
		}
	}
	return nil
}

// ExecInContainer runs a command beside the first process, and reports how it ended.
func (r *run) ExecInContainer(_ context.Context, _, _, _ string, command []string, in io.Reader, out, err io.WriteCloser,
	_ bool, _ <-chan remotecommand.TerminalSize, _ time.Duration,
) error {
	words := append([]string{fmt.Sprintf("--target=%d", r.process.Process.Pid), "--mount", "--pid", "--ipc", "--net"},
		append(asUserOf(r.pod), command...)...)
	process := exec.Command("nsenter", words...)
	process.Env = environment(r.pod.Spec.Containers[0])
	process.Stdout, process.Stderr = out, err
	if in != nil {
		pipe, problem := process.StdinPipe()
		if problem != nil {
			return problem
		}
		go func() {
			_, _ = io.Copy(pipe, in)
			_ = pipe.Close()
		}()
	}
	problem := process.Run()
	var ended *exec.ExitError
	if errors.As(problem, &ended) {
		code := ended.ExitCode()
		if status, ok := ended.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			code = 128 + int(status.Signal())
		}
		return utilexec.CodeExitError{Err: problem, Code: code}
	}
	return problem
}
