"""What changes to the team of the documentation's examples meet, word for word, in a namespace acme."""

WARNED = """\
Warning: spec.role: Member -> Viewer ends 2 working keys of alice@acme.io:
Warning: - ci-deploy (<key>, expires)
Warning: - laptop (<key>)
Warning: Whatever uses them stops working at once.
Warning: Approved for Viewer by spec.forRole, issued with a new token: next
"""
REMOVED = """\
Warning: Removing alice ends 2 working keys of alice@acme.io:
Warning: - ci-deploy (<key>, expires)
Warning: - laptop (<key>)
Warning: Whatever uses them stops working at once.
"""
UNACKNOWLEDGED = """\
spec.role: Member -> Viewer would end 2 working keys of alice@acme.io: ci-deploy (<key>, expires), laptop (<key>).
Whatever uses them would stop working at once. The acknowledgement lacks laptop.
To acknowledge this, put the annotation into the same write:
  kubectl patch membership alice -n acme --type merge -p '{"metadata":{"annotations":\
{"tenure.dev/acknowledge-key-deletion":"Viewer: ci-deploy, laptop"}},"spec":{"role":"Viewer"}}'
In Git, in the same commit:  tenure.dev/acknowledge-key-deletion: "Viewer: ci-deploy, laptop"
A key that should go on with a new token: set its spec.forRole to Viewer.
"""
DENIED_FOR_KEYS = """\
spec.role: Organization acme allows no role change that ends keys (whenKeysExist: Deny), and Member -> Viewer would \
end ci-deploy, laptop; delete these ApiKeys first
"""
LAST_OWNER = """\
spec.role: olga is the only Owner of Organization acme (members being deleted, suspended or with an ownerReference \
don't count), and an organization keeps one; give another member the role Owner first
"""
EVERYTHING = (
    "spec.role: Owner -> Viewer is denied by Organization acme (spec.roleChanges.deny); allowed: Member, Analyst\n"
    + LAST_OWNER
    + """\
spec.role: Owner -> Viewer would end 1 working key of olga@acme.io: admin (<key>).
Whatever uses them would stop working at once. Nothing acknowledges this.
To acknowledge this, put the annotation into the same write:
  kubectl patch membership olga -n acme --type merge -p '{"metadata":{"annotations":\
{"tenure.dev/acknowledge-key-deletion":"Viewer: admin"}},"spec":{"role":"Viewer"}}'
In Git, in the same commit:  tenure.dev/acknowledge-key-deletion: "Viewer: admin"
A key that should go on with a new token: set its spec.forRole to Viewer.
"""
)
UNWANTED = """\
spec.role: a new member as Analyst is denied by Organization acme (spec.roleChanges.deny); allowed: Owner, Member, \
Viewer
spec.subject.name: sam@else.io isn't in a domain of Organization acme (spec.allowedEmailDomains: acme.io)
"""
