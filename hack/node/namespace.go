package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// The node runs in namespaces of its own: processes, mounts, network, IPC and host name. So it meets neither
// another cluster nor the machine's containerd, and whatever it started, mounted or configured ends with
// its first process, however that ends.
const nodeNamespaces = syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS

// Where the node sees the cluster's folder and the cache of programs, wherever the machine has them.
const (
	nodeDir   = "/run/cluster"
	nodeCache = "/run/cache"
)

// enterNode gives the process, the first of its namespaces, the node's view of the file system:
// /run is empty, /var is the cluster's, all else is the machine's.
func enterNode(dir, cache, name string) error {
	// Open before /run and /var are covered: either folder may be below them.
	resolver := resolverFile()
	folders := map[string]string{}
	for target, source := range map[string]string{nodeDir: dir, nodeCache: cache} {
		opened, err := os.Open(source)
		if err != nil {
			return err
		}
		defer opened.Close()
		folders[target] = fmt.Sprintf("/proc/self/fd/%d", opened.Fd())
	}
	m := mounter{}
	// Mounts of the machine may come in; none goes out.
	m.mount("", "/", "", syscall.MS_REC|syscall.MS_SLAVE, "")
	m.mount("proc", "/proc", "proc", syscall.MS_NOSUID|syscall.MS_NODEV|syscall.MS_NOEXEC, "")
	m.mount("tmpfs", "/run", "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, "mode=755")
	for target, source := range folders {
		m.mkdir(target)
		m.mount(source, target, "", syscall.MS_BIND|syscall.MS_REC, "")
	}
	m.mkdir(nodeDir + "/var/lib")
	m.mkdir(nodeDir + "/var/log")
	m.mkdir(nodeDir + "/var/tmp")
	m.mount(nodeDir+"/var", "/var", "", syscall.MS_BIND, "")
	m.link("/run", "/var/run")
	for file, value := range kubeletSysctls {
		fake := filepath.Join("/run/sysctl", file)
		m.write(fake, value)
		m.mount(fake, filepath.Join("/proc/sys", file), "", syscall.MS_BIND, "")
	}
	// A resolver's file below /run was covered; containerd looks for it.
	if strings.HasPrefix(resolver, "/run/") {
		m.link(nodeDir+"/config/resolv.conf", resolver)
	}
	// The kubelet passes what it mounts on to containers.
	m.mount("", "/", "", syscall.MS_REC|syscall.MS_SHARED, "")
	m.write("/proc/sys/net/ipv4/ip_forward", "1")
	if m.err != nil {
		return m.err
	}
	return syscall.Sethostname([]byte(name))
}

// kubeletSysctls are the kernel settings that the kubelet wants. They belong to the machine, so the node
// shows them as wanted, and with protectKernelDefaults the kubelet only looks.
var kubeletSysctls = map[string]string{
	"vm/overcommit_memory":      "1",
	"vm/panic_on_oom":           "0",
	"kernel/panic":              "10",
	"kernel/panic_on_oops":      "1",
	"kernel/keys/root_maxkeys":  "1000000",
	"kernel/keys/root_maxbytes": "25000000",
}

// resolverFile is the file behind /etc/resolv.conf.
func resolverFile() string {
	file, err := filepath.EvalSymlinks("/etc/resolv.conf")
	if err != nil {
		return "/etc/resolv.conf"
	}
	return file
}

// A mounter does one step after the other until one fails.
type mounter struct{ err error }

func (m *mounter) mount(source, target, kind string, flags uintptr, data string) {
	if m.err == nil {
		if err := syscall.Mount(source, target, kind, flags, data); err != nil {
			m.err = fmt.Errorf("mounting %q at %s: %w", source, target, err)
		}
	}
}

func (m *mounter) mkdir(dir string) {
	if m.err == nil {
		m.err = os.MkdirAll(dir, 0o755)
	}
}

func (m *mounter) write(file, content string) {
	m.mkdir(filepath.Dir(file))
	if m.err == nil {
		m.err = os.WriteFile(file, []byte(content), 0o644)
	}
}

func (m *mounter) link(target, name string) {
	m.mkdir(filepath.Dir(name))
	if m.err != nil {
		return
	}
	if err := os.Symlink(target, name); err != nil && !os.IsExist(err) {
		m.err = err
	}
}

// mountsBelow lists the mount points at or below the folder that this process sees.
func mountsBelow(dir string) ([]string, error) {
	mounts, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer mounts.Close()
	var below []string
	lines := bufio.NewScanner(mounts)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) > 4 && strings.HasPrefix(fields[4]+"/", dir+"/") {
			below = append(below, fields[4])
		}
	}
	return below, lines.Err()
}
