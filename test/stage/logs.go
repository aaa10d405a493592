package stage

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
)

// Logs are what the pods of some namespaces print, kept beyond the life of the pods.
type Logs struct {
	cluster *Cluster
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu    sync.Mutex
	lines map[string][]string
	known map[string]bool
}

// FollowLogs keeps the logs of all pods in the namespaces from their start, until Stop.
func (c *Cluster) FollowLogs(ctx context.Context, namespaces ...string) *Logs {
	ctx, cancel := context.WithCancel(ctx)
	l := &Logs{cluster: c, cancel: cancel, lines: map[string][]string{}, known: map[string]bool{}}
	for _, namespace := range namespaces {
		l.running.Go(func() { l.follow(ctx, namespace) })
	}
	return l
}

// Stop ends following. What was kept stays readable.
func (l *Logs) Stop() {
	l.cancel()
	l.running.Wait()
}

// Lines returns what each container printed, by namespace/pod/container.
func (l *Logs) Lines() map[string][]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	snapshot := maps.Clone(l.lines)
	for container, lines := range snapshot {
		snapshot[container] = slices.Clone(lines)
	}
	return snapshot
}

// follow watches for containers that have started. A watch ends now and then, and is begun again.
func (l *Logs) follow(ctx context.Context, namespace string) {
	wait.UntilWithContext(ctx, func(ctx context.Context) {
		pods, err := l.cluster.core.Pods(namespace).Watch(ctx, metav1.ListOptions{})
		if err != nil {
			return
		}
		defer pods.Stop()
		for event := range pods.ResultChan() {
			if pod, ok := event.Object.(*corev1.Pod); ok {
				l.meet(ctx, pod)
			}
		}
	}, time.Second)
}

// meet starts to read the containers of a pod that run and are not read yet.
func (l *Logs) meet(ctx context.Context, pod *corev1.Pod) {
	for _, container := range pod.Status.ContainerStatuses {
		if container.State.Running == nil && container.State.Terminated == nil {
			continue
		}
		l.mu.Lock()
		unknown := !l.known[container.ContainerID]
		l.known[container.ContainerID] = true
		l.mu.Unlock()
		if unknown {
			l.running.Go(func() { l.read(ctx, pod.Namespace, pod.Name, container.Name) })
		}
	}
}

// read keeps the lines of one run of a container.
func (l *Logs) read(ctx context.Context, namespace, pod, container string) {
	key := fmt.Sprintf("%s/%s/%s", namespace, pod, container)
	stream, err := l.cluster.core.Pods(namespace).
		GetLogs(pod, &corev1.PodLogOptions{Container: container, Follow: true}).Stream(ctx)
	if err != nil {
		l.keep(key, "(the log could not be read: "+err.Error()+")")
		return
	}
	defer func() { _ = stream.Close() }()
	lines := bufio.NewReader(stream)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			l.keep(key, line)
		}
		if err != nil {
			if err != io.EOF && ctx.Err() == nil {
				l.keep(key, "(the log broke off: "+err.Error()+")")
			}
			return
		}
	}
}

func (l *Logs) keep(container, line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines[container] = append(l.lines[container], line)
}
