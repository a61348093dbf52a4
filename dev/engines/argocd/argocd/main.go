// Argo CD's application controller and its repo server, each a command of one program.
//
// Its API server and its command line are left out. They embed the web interface, which isn't in the Go module.
package main

import (
	"os"

	"github.com/spf13/cobra"

	controller "github.com/argoproj/argo-cd/v3/cmd/argocd-application-controller/commands"
	reposerver "github.com/argoproj/argo-cd/v3/cmd/argocd-repo-server/commands"
)

func main() {
	command := &cobra.Command{Use: "argocd"}
	command.AddCommand(controller.NewCommand(), reposerver.NewCommand())
	if command.Execute() != nil {
		os.Exit(1)
	}
}
