"""`python -m retailflow_local.jobs_api`. Light at import, because multiprocessing imports it again in every child."""

if __name__ == "__main__":
    from retailflow_local.jobs_api.server import main

    main()
