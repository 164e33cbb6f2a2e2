"""What `doctor` looks at: this machine (`here`), each cloud (`cloud`), and what was given to be run (`given`)."""
