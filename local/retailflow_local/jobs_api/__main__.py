"""`python -m retailflow_local.jobs_api`. It imports little, because multiprocessing imports it again in every child."""

if __name__ == "__main__":
    from retailflow_local.jobs_api.server import main

    main()
