"""`python entra.py PASSWORD`: people sign in to Airflow as with Entra ID, and get that password for Airflow's API.

A key of this process signs their tokens in place of Entra's. A person's object id is the name of their app role.
It prints the roles that Airflow gives to each.
"""

import json
import sys
import time

import jwt
from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
from cryptography.hazmat.primitives.asymmetric import rsa

key = rsa.generate_private_key(65537, 2048)
public = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
with get_application_builder() as builder:
    manager, roles = builder.sm, {}
    manager._get_microsoft_jwks = lambda *_: {"keys": [public]}
    application = manager.oauth_remotes["azure"]
    for person in ("viewer", "oncall", "admin", "nobody"):
        claims = {
            "iss": application.authorize_url.removesuffix("/oauth2/v2.0/authorize") + "/v2.0",
            "aud": application.client_id,
            "exp": time.time() + 600,
            "oid": person,
            "email": f"{person}@retailflow.example",
            "roles": [] if person == "nobody" else [person],
        }
        info = manager.get_oauth_user_info("azure", {"id_token": jwt.encode(claims, key, "RS256")})
        user = manager.auth_user_oauth(info, rotate_session_id=False)
        manager.reset_password(user.id, sys.argv[1])
        roles[user.username] = sorted(role.name for role in user.roles)
print(json.dumps(roles))
