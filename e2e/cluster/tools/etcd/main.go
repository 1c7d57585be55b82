// Command etcd is etcd's own server; its repository has no main package that the module proxy can build.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
