"""What changes to the team of the documentation's examples meet, word for word, in a namespace acme."""

WARNED = """\
Warning: spec.role: Member -> Viewer revokes 2 API keys of alice@acme.io:
Warning: - ci-deploy (<key>, expires)
Warning: - laptop (<key>)
Warning: Programs that use them stop working immediately.
Warning: Reissued with a new token (spec.forRole: Viewer): next
"""
REMOVED = """\
Warning: Removing alice revokes 2 API keys of alice@acme.io:
Warning: - ci-deploy (<key>, expires)
Warning: - laptop (<key>)
Warning: Programs that use them stop working immediately.
"""
UNACKNOWLEDGED = """\
spec.role: Member -> Viewer would revoke 2 API keys of alice@acme.io: ci-deploy (<key>, expires), laptop (<key>).
Programs that use them would stop working immediately. The acknowledgement doesn't name laptop.
To acknowledge this, set the annotation in the same write:
  kubectl patch memberships.tenure.dev alice -n acme --type merge -p '{"metadata":{"annotations":\
{"tenure.dev/acknowledge-key-deletion":"Viewer: ci-deploy, laptop"}},"spec":{"role":"Viewer"}}'
In Git, in the same commit:  tenure.dev/acknowledge-key-deletion: "Viewer: ci-deploy, laptop"
To have a key reissued with a new token instead, set its spec.forRole to Viewer.
"""
DENIED_FOR_KEYS = """\
spec.role: Organization acme allows no role change that revokes keys (whenKeysExist: Deny), and Member -> Viewer would \
revoke ci-deploy, laptop. First delete these ApiKeys, or set their spec.forRole to Viewer. They then work \
until the role changes, and get a new token with it.
"""
LAST_OWNER = """\
spec.role: olga is the only Owner of Organization acme, and an organization must keep one. First make another member \
an Owner. (A member who is suspended, is being deleted or has an ownerReference doesn't count.)
"""
EVERYTHING = (
    "spec.role: Organization acme denies Owner -> Viewer (spec.roleChanges.deny). It allows Member, Analyst.\n"
    + LAST_OWNER
    + """\
spec.role: Owner -> Viewer would also revoke 1 API key of olga@acme.io: admin. Once nothing else forbids the change, \
it has to acknowledge that.
"""
)
TWICE_A_MEMBER = """\
spec.subject: alice@acme.io is already a member, with Membership alice. Change the role of that Membership instead. \
To rename it, first delete Membership alice and its ApiKeys, and create alice-2 once they are gone.
"""
UNWANTED = """\
spec.role: Organization acme denies a new member with the role Analyst (spec.roleChanges.deny). It allows Owner, \
Member, Viewer.
spec.subject.name: Organization acme doesn't allow the domain of sam@else.io. It allows acme.io \
(spec.allowedEmailDomains).
"""
