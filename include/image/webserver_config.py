"""Configures the sign-in to Airflow with Entra ID, for environments in the cloud. Flask-AppBuilder reads this file.

The app roles of the Entra application have the same names as the users of a laptop. Airflow identifies a person by the
object id. See docs/DEPLOYMENT.md.
"""

import os

from flask_appbuilder.const import AUTH_OAUTH

_login = f"https://login.microsoftonline.com/{os.environ['RETAILFLOW_ENTRA_TENANT_ID']}"

AUTH_TYPE = AUTH_OAUTH
AUTH_USER_REGISTRATION = True
AUTH_USER_REGISTRATION_ROLE = "Public"  # a person without an app role can do nothing
AUTH_ROLES_SYNC_AT_LOGIN = True
# Only Op and Admin see plugins in the navigation. The role Plugins (AIRFLOW__FAB__CUSTOM_ROLES) adds this permission.
AUTH_ROLES_MAPPING = {"viewer": ["Viewer", "Plugins"], "oncall": ["User", "Plugins"], "admin": ["Admin"]}
OAUTH_PROVIDERS = [
    {
        "name": "azure",
        "icon": "fa-windows",
        "token_key": "access_token",
        "remote_app": {
            "client_id": os.environ["RETAILFLOW_ENTRA_CLIENT_ID"],
            "client_secret": os.environ["RETAILFLOW_ENTRA_CLIENT_SECRET"],
            "client_kwargs": {"scope": "openid email profile"},
            "authorize_url": f"{_login}/oauth2/v2.0/authorize",
            "access_token_url": f"{_login}/oauth2/v2.0/token",
            "jwks_uri": f"{_login}/discovery/v2.0/keys",
        },
    }
]
